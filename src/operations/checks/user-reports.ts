import type { LoggedRevocation, SecurityEvent } from '../../../db/types.ts'
import { REPORT_SECONDS, reportId } from '../acts/reports.ts'
import type { Check, CheckContext } from './check.ts'
import { type Found, ok, warning } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/** Checks whether a user has reported a device or a sign-in: "Lost, stolen or not me". */
export const userReportChecks: readonly Check[] = [
  {
    id: 'user-reports',
    warnsByTicket: true,
    names: true,
    look: userReports,
  },
]

/** Upper bound of the reports that are shown one by one. */
const MOST = 20

async function userReports({ deps: { store }, now }: CheckContext): Promise<Found[]> {
  const all = await store.userReports({ since: now - REPORT_SECONDS, limit: MOST + 1 })
  if (all.length === 0) return [ok(FOUND.no_report)]
  const found = await Promise.all(
    all.slice(0, MOST).map(async (report) => {
      const { seq, sub, at } = report
      const revocation = seq === undefined ? undefined : await store.findRevocation(seq)
      return warning(wordsOf(report, revocation), REMEDY.user_report(sub, reportId(report)), {
        about: `user ${sub}`,
        sub,
        report: reportId(report),
        since_ms: at * 1000,
      })
    }),
  )
  return all.length <= MOST
    ? found
    : [...found, warning(`Users made more than ${MOST} reports in 7 days.`, REMEDY.user_reports)]
}

/**
 * Returns what the user reported, and what the broker did at once. The number of the revocation
 * tells two reports of the same device apart.
 */
function wordsOf(
  { device, sid, seq }: SecurityEvent,
  revocation: Pick<LoggedRevocation, 'selector'> | undefined,
): string {
  const selector = revocation?.selector
  const done =
    selector?.kind === 'subject'
      ? 'all sessions of the user'
      : selector?.kind === 'session' && selector.sid !== sid
        ? FOUND.reported_from
        : 'that session'
  const ended = seq === undefined ? '' : ` At once the broker ended ${done} (revocation ${seq}).`
  return `A user reported as lost, stolen or not theirs: ${device ?? 'a sign-in'}.${ended} ${FOUND.user_told}`
}

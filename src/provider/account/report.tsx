import { record } from '../../audit/record.ts'
import type { SecurityEvent, Session, Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import {
  Button,
  Facts,
  HiddenFields,
  LinkButton,
  Notice,
  Steps,
  Tick,
} from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import { addressOf, Help, helpOf } from '../help.tsx'
import type { PageAnswer, PageRequest } from '../page-request.ts'
import type { Texts } from '../../pages/texts.ts'
import { liveSession } from '../../session/current.ts'
import { FRESH_SECONDS, isFresh } from '../../session/lifetimes.ts'
import { forged } from './rejected-form.ts'
import { AccountNav } from './nav.tsx'
import { networksFor, proveFirst } from './addresses.tsx'
import { EventFacts, readEntryName } from './history.tsx'
import { deviceIn, Moment } from '../../pages/times.tsx'

/**
 * The page behind "Lost, stolen or not me" of a device and "This wasn't me" of an entry of the
 * history: one confirmation ends a session that its user does not recognize and alerts the
 * operators. Ending other sessions, or any at Microsoft, needs a password entered in the last five
 * minutes, because an attacker may use this browser.
 */

const purposeOf = (session: Session, about: string): string => `report ${session.sub} ${about}`

/** The session or history entry that the user reports. */
type Reported =
  | { sid: string; session: Session }
  | { sid: string | undefined; event: SecurityEvent }

function readAsked({ fields }: PageRequest) {
  const [session, entry] = [fields.get('session') ?? undefined, fields.get('entry') ?? undefined]
  return { session, entry, about: entry ?? session ?? '' }
}

async function findReported(
  deps: Deps,
  current: Session,
  asked: { session?: string | undefined; entry?: string | undefined },
  now: number,
): Promise<Reported | undefined> {
  const place = readEntryName(asked.entry)
  if (place !== undefined) {
    // Returns the entry itself: it is the first entry after the place just before it.
    const [event] = await deps.store.securityHistory({
      sub: current.sub,
      before: { at: place.at, id: `${place.id}~` },
      limit: 1,
    })
    return event?.id === place.id && event.at === place.at ? { sid: event.sid, event } : undefined
  }
  const live = asked.session === undefined ? [] : await deps.store.liveSessionsOf(current.sub, now)
  const found = live.find(({ session }) => session.sid === asked.session)
  return found && { sid: found.session.sid, session: found.session }
}

/** Returns the page that asks for confirmation: the reported entry, and the effects. */
export async function askReport(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { now, t } = request
  const { about, ...asked } = readAsked(request)
  const reported = await findReported(deps, current, asked, now)
  if (reported === undefined) return { to: '/account/history' }
  const { tid } = current.user
  const told = administratorsAreTold(deps, tid, await deps.store.findTenant(tid))
  const fresh = isFresh(current, now)
  const network = networksFor(current, request)
  const ends =
    reported.sid !== undefined &&
    liveSession(await deps.store.statusBySid(reported.sid, now)) !== undefined
  return {
    page: {
      title: told ? t.report.title : t.report.titleOperator,
      mark: 'warn',
      wide: true,
      nav: <AccountNav at={undefined} session={current} />,
    },
    body: (
      <>
        {'event' in reported ? (
          <EventFacts deps={deps} event={reported.event} network={network} t={t} />
        ) : (
          <Facts
            items={[
              [t.history.device, deviceIn(reported.session.device, t)],
              [t.sessions.since, <Moment at={reported.session.openedAt} t={t} />],
              [
                t.history.address,
                fresh ? network(await deps.store.signInAddress(reported.session)) : undefined,
              ],
            ]}
          />
        )}
        <p>{ends ? t.report.ends : t.report.nothingLeft}</p>
        <p class="soft">{told ? t.report.tells : t.report.tellsOperator}</p>
        {fresh ? null : (
          <Notice kind="warn">
            <p>{t.report.endsHere}</p>
            <p>
              <a href={proveFirst('/account/history')}>{t.history.proveFirst}</a>
            </p>
          </Notice>
        )}
        <form class="stack" method="post" action="/account/report">
          <HiddenFields
            fields={{ [CSRF_FIELD]: request.csrf(purposeOf(current, about)), ...asked }}
          />
          {fresh ? <More microsoft={revokesAtMicrosoft(deps, current)} t={t} /> : null}
          <div class="row">
            <Button kind="danger">{t.report.confirm}</Button>
            <LinkButton kind="quiet" href="/account">
              {t.report.cancel}
            </LinkButton>
          </div>
        </form>
      </>
    ),
  }
}

const More = ({ microsoft, t }: { microsoft: boolean; t: Texts }) => (
  <fieldset>
    <legend>{t.report.more}</legend>
    <Tick name="everywhere" label={t.report.everywhere} />
    {microsoft ? (
      <Tick name="microsoft" label={t.report.microsoft} hint={t.report.microsoftHint} />
    ) : null}
  </fieldset>
)

function revokesAtMicrosoft({ config }: Deps, { user }: Session): boolean {
  const tenants = config.signals.revokeAtMicrosoft
  return tenants === 'all' || (tenants?.includes(user.tid) ?? false)
}

export async function report(
  deps: Deps,
  request: PageRequest,
  current: Session,
): Promise<PageAnswer> {
  const { now, t, fields, address } = request
  const { about, session: sid = '', entry } = readAsked(request)
  if (!request.isOurs(purposeOf(current, about))) return forged(t)
  const event = readEntryName(entry)
  const what = event === undefined ? { sid } : { event }
  const { sub } = current
  const act = { sub, acting: current.sid, what, freshSince: now - FRESH_SECONDS, address, now }
  const [everywhere, atMicrosoft] = [
    fields.get('everywhere') === 'yes',
    fields.get('microsoft') === 'yes' && revokesAtMicrosoft(deps, current),
  ]
  const done = await record(
    deps,
    { actor: { kind: 'user', id: sub }, via: 'account' },
    {
      act: 'user.report',
      target: `subject ${sub}`,
      details: { about, everywhere, atMicrosoft },
    },
    () => deps.store.reportByUser({ ...act, everywhere, atMicrosoft }),
    (answer) => ({
      outcome: answer.outcome,
      sid: 'sid' in answer ? answer.sid : undefined,
    }),
  )
  if (done.outcome === 'unknown') return { to: '/account/history' }
  deps.queue.send(done.pending)
  deps.metrics.userReports.inc()
  deps.log.warn('reported_by_user', { sub, sid: done.sid, tid: current.user.tid })
  return { to: '/account/reported', signedOut: done.actingEnded }
}

/** Returns whether the user's own organization has administrators to whom reports are shown. */
const administratorsAreTold = (
  { connection }: Pick<Deps, 'connection'>,
  tid: string | undefined,
  tenant: Tenant | undefined,
): boolean => tenant?.administrators !== undefined || tid === connection.current().operatorTenant

/** Returns the page of next steps after a report. It is public, because the user is signed out by then. */
export async function reportedPage(
  deps: Deps,
  { t, users }: PageRequest,
  session: Session | undefined,
): Promise<PageAnswer> {
  const tid = (session?.user ?? users[0])?.tid
  const tenant = tid === undefined ? undefined : await deps.store.findTenant(tid)
  const told = administratorsAreTold(deps, tid, tenant)
  const help = helpOf(deps, tenant)
  return {
    page: {
      title: told ? t.report.doneTitle : t.report.toldOperator,
      mark: 'good',
      help: help && addressOf(help),
    },
    body: (
      <>
        <p>{t.report.done}</p>
        {session === undefined ? <p>{t.report.doneHere}</p> : null}
        <Steps
          items={[
            <a href="https://aka.ms/sspr">{t.report.password}</a>,
            <a href="https://aka.ms/mysecurityinfo">{t.report.methods}</a>,
            <>
              {t.report.administrator}
              <Help help={help} />
            </>,
          ]}
        />
        <div class="row">
          <LinkButton href="/account">
            {session === undefined ? t.shared.signInAgain : t.shared.whereSignedIn}
          </LinkButton>
        </div>
      </>
    ),
  }
}

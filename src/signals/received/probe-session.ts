import type { ProbeDue, ProbeFinding } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { MicrosoftRejection, type Renewal } from '../../microsoft/interface.ts'
import { signInFrequencySetting } from '../../microsoft/tenants.ts'
import { pauseProbe, probePause } from '../../microsoft/probe-pause.ts'
import type { Reason } from '../../protocol/revocation.ts'
import { sessionRoles } from '../../protocol/tenant-administrators.ts'
import { openFromSession, sealForSession } from '../../clients/session/sealed.ts'
import { graphTenants } from './subscription.ts'

/**
 * Probes one session: redeems its refresh token at Microsoft and applies the result. An outage or
 * wrong credential of the broker, or a policy that rejects the broker's machine, says nothing about
 * the user and ends nothing.
 */

type ProbeDeps = Pick<
  Deps,
  | 'config'
  | 'connection'
  | 'store'
  | 'sealer'
  | 'microsoft'
  | 'clock'
  | 'log'
  | 'metrics'
  | 'feed'
  | 'queue'
  | 'signInWatch'
>

type Probed =
  /**
   * Microsoft answered about this user. `look` names their other sessions that must be probed now.
   */
  | { kind: 'answered'; look: string[] }
  /** Microsoft or the broker's credential has a problem: the tenant is not probed for a while. */
  | { kind: 'trouble'; guidance: string; retryAfterSeconds: number | undefined }
  | { kind: 'nothing' }

/** The time for which a marked session remains valid. */
const MARK_SECONDS = 3600
/** The accepted difference between Microsoft's clock and the broker's, as for an ID token. */
const SKEW_SECONDS = 60
const REVOKED = 50173
const DISABLED = 50057
/** The number for a sign-in frequency of the tenant's policy that was reached. */
const FREQUENCY_REACHED = 70043
/**
 * The reason for ending a session by Microsoft's error: the account is not in the tenant, or is not
 * assigned to the application.
 */
const SESSION_REASON: ReadonlyMap<number, Reason> = new Map([
  [50034, 'microsoft_account_deleted'],
  [51004, 'microsoft_account_deleted'],
  [50105, 'microsoft_access_removed'],
])
/** Rejections for missing consent, without which no user of the tenant can sign in. */
const CONSENT = new Set(['consent', 'admin_consent'])
const TROUBLE = new Set(['outage', 'loop', 'credential', 'app_missing'])

const NOTHING: Probed = { kind: 'nothing' }

export async function probeSession(
  deps: ProbeDeps,
  due: ProbeDue,
  alarm: ProbeAlarm,
): Promise<Probed> {
  const cache = openFromSession(deps.sealer, 'microsoft_cache', due.user, due.cacheSealed)
  if (cache === undefined) return nothing(deps, 'unreadable')
  try {
    const renewal = await deps.microsoft.renew({ cache, user: due.user, now: deps.clock.now() })
    if (renewal === undefined) return nothing(deps, 'no_tokens')
    alarm.count(due.user.tid, due.sub, 'good', deps.clock.now())
    const cacheSealed = sealForSession(deps.sealer, 'microsoft_cache', due.user, renewal.cache)
    await lookAtAccount(deps, due.user)
    return await record(
      deps,
      due,
      { outcome: 'vouched', cacheSealed, roles: await rolesOf(deps, due, renewal) },
      'good',
    )
  } catch (error) {
    if (error instanceof MicrosoftRejection) return judge(deps, due, error, alarm)
    throw error
  }
}

/**
 * Returns the session's roles as at a sign-in: the tenant's setting decides about directory roles.
 * Undefined if there was no ID token; the roles then stay.
 */
async function rolesOf(
  { store }: ProbeDeps,
  { user }: ProbeDue,
  { roles, directoryRoles = [] }: Renewal,
): Promise<string[] | undefined> {
  return (
    roles &&
    sessionRoles({ roles, directoryRoles }, (await store.findTenant(user.tid))?.administrators)
  )
}

/**
 * Requests a check of the account if Graph is used for the tenant: a refresh token stays valid
 * after the user changes the password, and Graph's notification may be missing.
 */
async function lookAtAccount(deps: ProbeDeps, { tid, oid }: ProbeDue['user']): Promise<void> {
  const work = { kind: 'check_user', tid, oid } as const
  if (graphTenants(deps).includes(tid) && !(await deps.store.hasPendingMicrosoftWork(work)))
    await deps.store.askMicrosoft([work], deps.clock.nowMs())
}

async function judge(
  deps: ProbeDeps,
  due: ProbeDue,
  rejection: MicrosoftRejection,
  alarm: ProbeAlarm,
): Promise<Probed> {
  const { guidance, code, retryAfterSeconds } = rejection
  // This is Microsoft's direct answer, not one that a browser delivered, so it counts as a failed
  // sign-in. Rejections by a policy do not, because a policy may reject only this machine's
  // address; the probe has its own alarm for that.
  if (CONSENT.has(guidance)) deps.signInWatch.failed(due.user, guidance)
  const now = deps.clock.now()
  if (code === FREQUENCY_REACHED) await sawSignInFrequency(deps, due.user.tid, now)
  const finding = findingOf(due, rejection, now)
  if (finding === undefined) {
    nothing(deps, guidance)
    if (guidance === 'untrusted_token')
      deps.log.error('probe_untrusted', { sid: due.sid, tid: due.user.tid, cause: rejection })
    return TROUBLE.has(guidance) ? { kind: 'trouble', guidance, retryAfterSeconds } : NOTHING
  }
  const verdict: ProbeVerdict =
    code === REVOKED ? 'revoked' : code === DISABLED ? 'disabled' : 'ending'
  const many = alarm.count(due.user.tid, due.sub, verdict, now)
  if (many && verdict === 'ending') return pause(deps, due, rejection, now)
  if (many)
    deps.log.warn('probe_many_ended', {
      tid: due.user.tid,
      code,
      next: 'Ask the tenant’s administrator. Microsoft reported each of these users itself, so the probe goes on.',
    })
  if ((await probePause(deps.store, due.user.tid)) !== undefined) return nothing(deps, 'held')
  return record(deps, due, finding, guidance)
}

/** Records that the tenant has a sign-in frequency, for the check of periodic re-entry. */
async function sawSignInFrequency({ store }: ProbeDeps, tid: string, now: number): Promise<void> {
  const name = signInFrequencySetting(tid)
  if ((await store.setting(name)) === undefined) await store.setSettingOnce(name, String(now))
}

/** Returns what to record for the session, or undefined if the rejection says nothing about it. */
function findingOf(
  due: ProbeDue,
  { effect, code, guidance }: MicrosoftRejection,
  now: number,
): ProbeFinding | undefined {
  if (effect === 'nothing') return undefined
  if (effect === 'session')
    return {
      outcome: 'end_session',
      reason: SESSION_REASON.get(code ?? 0) ?? 'microsoft_session_revoked',
    }
  if (effect === 'mark') {
    const reason =
      guidance === 'step_up' || guidance === 'enrol_mfa'
        ? 'mfa_lapsed'
        : 'microsoft_sign_in_required'
    return { outcome: 'mark', markAt: now + MARK_SECONDS, reason }
  }
  if (code === DISABLED) return { outcome: 'end_user', reason: 'microsoft_account_disabled' }
  // The user was revoked after Microsoft last vouched for this session. Other sessions
  // authenticated before that, by Microsoft's clock, end too. A later one may be from after the
  // revocation, so it is probed by itself.
  return {
    outcome: 'end_user',
    reason: 'microsoft_session_revoked',
    until: due.probedAt - SKEW_SECONDS,
  }
}

async function record(
  deps: ProbeDeps,
  due: ProbeDue,
  finding: ProbeFinding,
  words: string,
): Promise<Probed> {
  const now = deps.clock.now()
  const { outcome } = await deps.store.recordProbe({
    sid: due.sid,
    cacheWas: due.cacheSealed,
    finding,
    now,
  })
  deps.metrics.signals.inc({ kind: 'probe', outcome: outcome === 'stale' ? 'stale' : words })
  const look =
    finding.outcome === 'end_user' && outcome === 'recorded'
      ? await deps.store.liveSessionsOf(due.sub, now)
      : []
  return { kind: 'answered', look: look.map(({ session }) => session.sid) }
}

async function pause(
  deps: ProbeDeps,
  due: ProbeDue,
  { guidance, code }: MicrosoftRejection,
  now: number,
): Promise<Probed> {
  const { tid } = due.user
  await pauseProbe(deps.store, { tid, at: now, code })
  deps.metrics.signals.inc({ kind: 'probe', outcome: 'alarm' })
  deps.log.error('probe_paused', {
    tid,
    guidance,
    code,
    meaning:
      'More than 5 % of this tenant’s users would be signed out within 10 minutes. The broker signs out no further user there, and does not probe its sessions.',
    next: 'Check whether a Conditional Access policy rejects the broker’s own address. Then resume the probe: cmb tenants resume-probe',
  })
  return NOTHING
}

function nothing(deps: ProbeDeps, outcome: string): Probed {
  deps.metrics.signals.inc({ kind: 'probe', outcome })
  return NOTHING
}

/**
 * The window of the alarm that decides whether a tenant's probes are credible as a whole. If more
 * than 5 % of its users would be signed out within ten minutes, a policy probably blocks the
 * broker's own address. Answers that a user was revoked or disabled always take effect and are
 * counted separately.
 */

const WINDOW_SECONDS = 600
const SLICE_SECONDS = 30
const SHARE = 0.05
const FEWEST_USERS = 5

/**
 * The result of a probe. `revoked` (50173) and `disabled` (50057) are Microsoft's answers about the
 * user; `ending` is any other result that would end a session.
 */
type ProbeVerdict = 'good' | 'ending' | 'revoked' | 'disabled'

interface Slice {
  at: number
  probes: number
  users: Record<Exclude<ProbeVerdict, 'good'>, Set<string>>
}

interface ProbeAlarm {
  /**
   * Counts a result.
   * @returns true if there are now too many
   */
  count(tid: string, sub: string, verdict: ProbeVerdict, now: number): boolean
  /** Restarts the counting after an operator resumed the probe. */
  reset(tid: string): void
}

export function createProbeAlarm(): ProbeAlarm {
  const tenants = new Map<string, Slice[]>()
  const sliceOf = (tid: string, now: number): Slice[] => {
    const kept = (tenants.get(tid) ?? []).filter((slice) => slice.at > now - WINDOW_SECONDS)
    const at = now - (now % SLICE_SECONDS)
    if (kept.at(-1)?.at !== at)
      kept.push({
        at,
        probes: 0,
        users: { ending: new Set(), revoked: new Set(), disabled: new Set() },
      })
    tenants.set(tid, kept)
    return kept
  }
  return {
    count(tid, sub, verdict, now) {
      const slices = sliceOf(tid, now)
      const current = slices.at(-1)
      if (current === undefined) return false
      current.probes++
      if (verdict === 'good') return false
      current.users[verdict].add(sub)
      const probes = slices.reduce((sum, slice) => sum + slice.probes, 0)
      const users = new Set(slices.flatMap((slice) => [...slice.users[verdict]])).size
      return users >= FEWEST_USERS && users > probes * SHARE
    },
    reset: (tid) => void tenants.delete(tid),
  }
}

import type { ProbeDue, ProbeFinding } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { type Concern, MicrosoftRejection, type Renewal } from '../../microsoft/interface.ts'
import { signInFrequencySetting } from '../../microsoft/tenants.ts'
import {
  areAssignmentsSettled,
  type Held,
  pauseProbe,
  probePause,
} from '../../microsoft/probe-pause.ts'
import type { Reason } from '../../protocol/revocation.ts'
import { sessionRoles } from '../../protocol/tenant-administrators.ts'
import { openFromSession, sealForSession } from '../../session/sealed.ts'
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
   * Microsoft answered, so it works. `look` names other sessions of the user that must be probed
   * now.
   */
  | { kind: 'answered'; look: string[] }
  /** Microsoft or the broker's credential has a problem: the tenant is not probed for a while. */
  | { kind: 'trouble'; guidance: string; retryAfterSeconds: number | undefined }
  | { kind: 'nothing' }

/** The time for which a marked session remains valid. */
const MARK_SECONDS = 3600
/** The accepted difference between Microsoft's clock and the broker's, as for an ID token. */
const SKEW_SECONDS = 60
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
const ANSWERED: Probed = { kind: 'answered', look: [] }

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
    alarm.count(due.user.tid, due.sub, undefined, windowTime(deps))
    const cacheSealed = sealForSession(deps.sealer, 'microsoft_cache', due.user, renewal.cache)
    await lookAtAccount(deps, due.user)
    return await record(
      deps,
      due,
      { outcome: 'vouched', cacheSealed, roles: await rolesOf(deps, due, renewal) },
      'good',
    )
  } catch (error) {
    if (error instanceof MicrosoftRejection) return concludeRejection(deps, due, error, alarm)
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

async function concludeRejection(
  deps: ProbeDeps,
  due: ProbeDue,
  rejection: MicrosoftRejection,
  alarm: ProbeAlarm,
): Promise<Probed> {
  const { guidance, code, concerns, retryAfterSeconds } = rejection
  // This is Microsoft's direct answer, not one that a browser delivered, so it counts as a failed
  // sign-in. Rejections by a policy do not, because a policy may reject only this machine's
  // address; the probe has its own alarm for that.
  if (CONSENT.has(guidance)) deps.signInWatch.failed(due.user, guidance)
  const now = deps.clock.now()
  if (code === FREQUENCY_REACHED) await sawSignInFrequency(deps, due.user.tid, now)
  if (concerns === 'account') countEnded(deps, due, rejection, alarm)
  else if (concerns !== undefined) {
    if (await isHeldBack(deps, due, rejection, concerns, alarm, now)) {
      nothing(deps, rejection.effect === 'nothing' ? guidance : 'held')
      return ANSWERED
    }
  }
  const finding = findingOf(due, rejection, now)
  if (finding === undefined) {
    nothing(deps, guidance)
    if (guidance === 'untrusted_token')
      deps.log.error('probe_untrusted', { sid: due.sid, tid: due.user.tid, cause: rejection })
    if (TROUBLE.has(guidance)) return { kind: 'trouble', guidance, retryAfterSeconds }
    return concerns === undefined ? NOTHING : ANSWERED
  }
  if (concerns === undefined) alarm.count(due.user.tid, due.sub, undefined, windowTime(deps))
  return record(deps, due, finding, guidance)
}

/** Counts an answer about an account. It takes effect however many they are. */
function countEnded(
  deps: ProbeDeps,
  { sub, user: { tid } }: ProbeDue,
  { code }: MicrosoftRejection,
  alarm: ProbeAlarm,
): void {
  if (alarm.count(tid, sub, 'account', windowTime(deps)))
    deps.log.warn('probe_many_ended', {
      tid,
      code,
      next: 'Ask the tenant’s administrator. Microsoft reported each of these accounts itself, so the broker signs each of these users out.',
    })
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
    // A time in the future was written by a wrong clock: then the others are probed by themselves.
    until: due.probedAt > now ? 0 : due.probedAt - SKEW_SECONDS,
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

/**
 * Returns whether the answer has no effect because too many users of the tenant got one of its
 * kind. The first such answer raises the alarm.
 */
async function isHeldBack(
  deps: ProbeDeps,
  { sub, user: { tid } }: ProbeDue,
  { guidance, code }: MicrosoftRejection,
  held: Held,
  alarm: ProbeAlarm,
  now: number,
): Promise<boolean> {
  const { store } = deps
  if (held === 'assignment' && (await areAssignmentsSettled(store, tid, now))) return false
  const many = alarm.count(tid, sub, held, windowTime(deps))
  if ((await probePause(store, tid))?.since[held] !== undefined) return true
  if (!many) return false
  await pauseProbe(store, { tid, held, at: now, code })
  deps.metrics.signals.inc({ kind: 'probe', outcome: 'alarm' })
  deps.log.error('probe_paused', { tid, guidance, code, ...PAUSED[held] })
  return true
}

const PAUSED: Record<Held, { meaning: string; next: string }> = {
  address: {
    meaning:
      'More than 5 % of this tenant’s users got an answer within 10 minutes that a policy on the broker’s own address causes. These answers have no effect, and hide whether the user’s sessions were revoked. The broker goes on asking, and signs out each user whose account Microsoft reports.',
    next: 'Exclude the broker’s own address from the Conditional Access policy. Then resume the probe: cmb tenants resume-probe',
  },
  assignment: {
    meaning:
      'The application was withdrawn from more than 5 % of this tenant’s users within 10 minutes. The broker signs out no further user for that, and goes on asking.',
    next: 'Ask the tenant’s administrator. If it was a mistake, the administrator assigns the users again first. Then decide: cmb tenants resume-probe signs out each user who is not assigned.',
  },
}

function nothing(deps: ProbeDeps, outcome: string): Probed {
  deps.metrics.signals.inc({ kind: 'probe', outcome })
  return NOTHING
}

/**
 * The window of the alarm. An answer that more than 5 % of a tenant's users get within ten minutes
 * has another cause than the single user: a policy that rejects the broker's own address, or one
 * act of an administrator. Each concern is counted by itself, so that an ordinary day of one kind
 * never hides another.
 */

const windowTime = ({ clock }: Pick<Deps, 'clock'>): number => Math.floor(clock.steadyMs() / 1000)
const WINDOW_SECONDS = 600
const SLICE_SECONDS = 30
const SHARE = 0.05
const FEWEST_USERS = 5

interface Slice {
  at: number
  probes: number
  users: Record<Concern, Set<string>>
}

interface ProbeAlarm {
  /**
   * Counts an answer at a time of the steady clock, in seconds.
   * @param concern undefined where the answer is none that many users get at once
   * @returns true if there are now too many
   */
  count(tid: string, sub: string, concern: Concern | undefined, now: number): boolean
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
        users: { account: new Set(), assignment: new Set(), address: new Set() },
      })
    tenants.set(tid, kept)
    return kept
  }
  return {
    count(tid, sub, concern, now) {
      const slices = sliceOf(tid, now)
      const current = slices.at(-1)
      if (current === undefined) return false
      current.probes++
      if (concern === undefined) return false
      current.users[concern].add(sub)
      const probes = slices.reduce((sum, slice) => sum + slice.probes, 0)
      const users = new Set(slices.flatMap((slice) => [...slice.users[concern]])).size
      return users >= FEWEST_USERS && users > probes * SHARE
    },
    reset: (tid) => void tenants.delete(tid),
  }
}

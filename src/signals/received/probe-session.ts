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
 * One probe: Microsoft's refresh token of one session is redeemed, and the outcome is applied. Our
 * own outage, our own bad credentials and a policy that rejects this machine say nothing about the
 * user, and end nothing.
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
   * Microsoft gave an answer about this user. `look` names other sessions of theirs of which it is
   * not known yet.
   */
  | { kind: 'answered'; look: string[] }
  /**
   * Microsoft, or what we prove ourselves with, is not well: leave the tenant alone for a while.
   */
  | { kind: 'trouble'; guidance: string; retryAfterSeconds: number | undefined }
  | { kind: 'nothing' }

/** With a mark, what a session still has lasts so long. */
const MARK_SECONDS = 3600
/** As far as Microsoft's clock and ours may be apart: an ID token is believed within it. */
const SKEW_SECONDS = 60
const REVOKED = 50173
const DISABLED = 50057
/** The tenant's policy has a sign-in frequency, and it was reached. */
const FREQUENCY_REACHED = 70043
/**
 * What an answer about one session says of its user: no account in the tenant, no assignment to the
 * application.
 */
const SESSION_REASON: ReadonlyMap<number, Reason> = new Map([
  [50034, 'microsoft_account_deleted'],
  [51004, 'microsoft_account_deleted'],
  [50105, 'microsoft_access_removed'],
])
/** Without it no user of the tenant gets in again. */
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
 * As at a sign-in: what a directory role is worth, the tenant's setting says. Undefined: no ID
 * token came, and the roles stay.
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
 * A refresh token outlives a password change by the user, and Graph need not notify of it: the
 * account is read too, where Graph is used.
 */
async function lookAtAccount(deps: ProbeDeps, { tid, oid }: ProbeDue['user']): Promise<void> {
  const work = { kind: 'check_user', tid, oid } as const
  if (graphTenants(deps).includes(tid) && !(await deps.store.hasPendingMicrosoftWork(work)))
    await deps.store.askMicrosoft([work], deps.clock.nowMs())
}

async function judge(
  deps: ProbeDeps,
  due: ProbeDue,
  refusal: MicrosoftRejection,
  alarm: ProbeAlarm,
): Promise<Probed> {
  const { guidance, code, retryAfterSeconds } = refusal
  // Microsoft's answer to us, not one that a browser brought. A policy may refuse this machine's
  // address alone: that is the probe's own alarm.
  if (CONSENT.has(guidance)) deps.signInWatch.failed(due.user, guidance)
  const now = deps.clock.now()
  if (code === FREQUENCY_REACHED) await sawSignInFrequency(deps, due.user.tid, now)
  const finding = findingOf(due, refusal, now)
  if (finding === undefined) {
    nothing(deps, guidance)
    if (guidance === 'untrusted_token')
      deps.log.error('probe_untrusted', { sid: due.sid, tid: due.user.tid, cause: refusal })
    return TROUBLE.has(guidance) ? { kind: 'trouble', guidance, retryAfterSeconds } : NOTHING
  }
  const verdict: ProbeVerdict =
    code === REVOKED ? 'revoked' : code === DISABLED ? 'disabled' : 'ending'
  const many = alarm.count(due.user.tid, due.sub, verdict, now)
  if (many && verdict === 'ending') return pause(deps, due, refusal, now)
  if (many)
    deps.log.warn('probe_many_ended', {
      tid: due.user.tid,
      code,
      next: 'Ask the tenant’s administrator. Microsoft reported each of these users itself, so the probe goes on.',
    })
  if ((await probePause(deps.store, due.user.tid)) !== undefined) return nothing(deps, 'held')
  return record(deps, due, finding, guidance)
}

/** What the check of periodic re-entry tells operators. */
async function sawSignInFrequency({ store }: ProbeDeps, tid: string, now: number): Promise<void> {
  const name = signInFrequencySetting(tid)
  if ((await store.setting(name)) === undefined) await store.setSettingOnce(name, String(now))
}

/** Undefined: it says nothing about the session. */
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
  // Revoked after Microsoft last vouched for this session: sessions authenticated before that, by
  // Microsoft's clock, end too. A later one is probed by itself, for it may have come after the
  // revocation.
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
 * Whether the results of a tenant's probes are credible as a whole. If more than 5 % of its users
 * would be signed out within ten minutes, a policy probably blocks the broker's own address. An
 * answer that a user was revoked or disabled always counts; it is counted apart.
 */

const WINDOW_SECONDS = 600
const SLICE_SECONDS = 30
const SHARE = 0.05
const FEWEST_USERS = 5

/**
 * `revoked` (50173) and `disabled` (50057) are Microsoft's answers about the user; `ending` is
 * everything else that would end a session.
 */
type ProbeVerdict = 'good' | 'ending' | 'revoked' | 'disabled'

interface Slice {
  at: number
  probes: number
  users: Record<Exclude<ProbeVerdict, 'good'>, Set<string>>
}

interface ProbeAlarm {
  /** @returns true where this one makes it too many */
  count(tid: string, sub: string, verdict: ProbeVerdict, now: number): boolean
  /** An operator has looked: counting starts from zero. */
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

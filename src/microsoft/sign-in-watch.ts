import type { SteadyClock } from '../runtime/clock.ts'
import { guidanceKey, type GuidanceKey } from './guidance.ts'

/**
 * Detects whether the users of a tenant can no longer sign in at Microsoft. It counts only users
 * whom Microsoft has authenticated for this broker, each once, and forgets a tenant's failures at
 * its next successful sign-in. An attacker can therefore neither raise nor hide the alarm.
 */

interface WhoTries {
  tid: string
  oid: string
}

/** The current failures of one tenant's users. */
interface Failing {
  users: number
  /**
   * The number of users who returned with an error or got one at the token endpoint. The other
   * users did not return from Microsoft's pages.
   */
  returned: number
  causes: GuidanceKey[]
}

const WINDOW_MS = 3_600_000
/**
 * The time for which a visit to Microsoft is valid. A user who has not returned by then counts as
 * failed.
 */
const AWAY_MS = 600_000
/** The most users recorded for a tenant. More would not change the finding. */
const MOST_USERS = 50

/** Causes that an operator or administrator has to fix. The other causes concern one user. */
const FOR_OPERATORS: ReadonlySet<GuidanceKey> = new Set([
  'consent',
  'admin_consent',
  'blocked_by_policy',
  'not_assigned',
  'redirect_mismatch',
  'app_missing',
  'credential',
  'loop',
  'outage',
  'untrusted_token',
  'mfa_not_proved',
  'freshness_not_proved',
  'unknown',
])

interface Attempt {
  atMs: number
  cause?: GuidanceKey
}

export class SignInWatch {
  readonly #clock: Pick<SteadyClock, 'steadyMs'>
  readonly #tenants = new Map<string, Map<string, Attempt>>()

  constructor(clock: Pick<SteadyClock, 'steadyMs'>) {
    this.#clock = clock
  }

  /** Records that the user's browser is sent to Microsoft. */
  began(who: WhoTries): void {
    // A user who tries repeatedly counts from the first attempt.
    if (this.#ofTenant(who.tid).get(who.oid) === undefined)
      this.#keep(who, { atMs: this.#clock.steadyMs() })
  }

  /** Records that the user returned without being signed in. */
  failed(who: WhoTries, guidance: string): void {
    const cause = guidanceKey(guidance)
    if (FOR_OPERATORS.has(cause)) this.#keep(who, { atMs: this.#clock.steadyMs(), cause })
    else this.#tenants.get(who.tid)?.delete(who.oid)
  }

  succeeded(tid: string): void {
    this.#tenants.delete(tid)
  }

  failing(tid: string): Failing {
    const attempts = [...this.#ofTenant(tid).values()]
    const nowMs = this.#clock.steadyMs()
    const causes = attempts.flatMap(({ cause }) => cause ?? [])
    const away = attempts.filter(({ cause, atMs }) => cause === undefined && nowMs - atMs > AWAY_MS)
    return {
      users: causes.length + away.length,
      returned: causes.length,
      causes: [...new Set(causes)].sort(),
    }
  }

  /** Returns the tenant's attempts within the window, after removing older ones. */
  #ofTenant(tid: string): Map<string, Attempt> {
    const attempts = this.#tenants.get(tid) ?? new Map<string, Attempt>()
    const oldestMs = this.#clock.steadyMs() - WINDOW_MS
    for (const [oid, { atMs }] of attempts) if (atMs < oldestMs) attempts.delete(oid)
    return attempts
  }

  #keep({ tid, oid }: WhoTries, attempt: Attempt): void {
    const attempts = this.#ofTenant(tid)
    if (attempts.size >= MOST_USERS && !attempts.has(oid)) return
    this.#tenants.set(tid, attempts.set(oid, attempt))
  }
}

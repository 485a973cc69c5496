import type { SteadyClock } from '../runtime/clock.ts'
import { guidanceKey, type GuidanceKey } from './guidance.ts'

/**
 * Whether the users of each tenant still get through Microsoft's sign-in. Counts only users whom
 * Microsoft has authenticated here before, each once, and forgets a tenant's failures with its next
 * sign-in that succeeds: a stranger can neither raise it nor hide it.
 */

interface WhoTries {
  tid: string
  oid: string
}

/** What keeps one tenant's users out now. */
interface Failing {
  users: number
  /**
   * How many of them came back with a cause, or met one at the token endpoint. The others never
   * came back from Microsoft's pages.
   */
  returned: number
  causes: GuidanceKey[]
}

const WINDOW_MS = 3_600_000
/** A visit to Microsoft is valid for so long: a user who has not come back by then does not. */
const AWAY_MS = 600_000
/** Of one tenant; more say nothing more. */
const MOST_USERS = 50

/** What an administrator or operator fixes. The rest is one user's own affair. */
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

  /** The user's browser leaves for Microsoft. */
  began(who: WhoTries): void {
    // A user who tries repeatedly has not come back since the first time.
    if (this.#ofTenant(who.tid).get(who.oid) === undefined)
      this.#keep(who, { atMs: this.#clock.steadyMs() })
  }

  /** The user came back without being signed in. */
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

  /** The tenant's attempts within the window. */
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

import { verifyAccessToken } from './verify-jwt.ts'
import type { BrokerClock } from './broker-clock.ts'
import type { Broker } from './broker.ts'
import {
  invalid,
  unavailable,
  type AccessClaims,
  type CheckResult,
  type Rejection,
  type Why,
} from './claims.ts'
import type { Clock } from './clock.ts'
import type { FeedReader } from './feed-reader.ts'
import type { Hooks } from './hooks.ts'
import { KeysUnavailable, type KeySet } from './keys.ts'
import type { Covered, Ledger } from './ledger.ts'
import type { Settings } from './options.ts'
import type { Lease } from './lease.ts'
import { Proofs, type Presented } from './proofs.ts'
import { SharedQuestions } from './shared-questions.ts'
import type { TokenCache, Verified } from './token-cache.ts'
import type { Validity } from './validity.ts'

interface CheckParts {
  broker: Broker
  brokerClock: BrokerClock
  cache: TokenCache
  clock: Clock
  /**
   * Polls the broker if the last answer is too old. Undefined if a stream brings the log. Never
   * rejects.
   */
  catchUp: (() => Promise<void> | undefined) | undefined
  feed: FeedReader
  hooks: Hooks
  keys: KeySet
  lease: Lease
  /** The id of the key that signed the token of these claims. */
  kids: WeakMap<AccessClaims, string>
  ledger: Ledger
  /** Informs the guard that the broker has issued a token at `rev`, so that its log is that far. */
  onIssued: (rev: number) => void
  settings: Settings
  stopping: AbortSignal
  validity: Validity
}

const COVERED: Record<Covered, string> = {
  revoked: 'It has been revoked.',
  cutoff: 'It may have been revoked. Refresh it.',
  tenant: 'It is of a tenant (tid) for which this client is not registered.',
}
const NEW_LOG = 'The broker has begun a new log. Try again in a moment.'

/** Decides whether an access token is honored. Rejects whatever it cannot be sure of. */
export class Checker {
  readonly counters = { checks: 0, cacheHits: 0, accepted: 0, introspections: 0 }
  readonly rejected: Partial<Record<Why, number>> = {}
  readonly #parts: CheckParts
  /** The verifications that run now. Requests with the same token share one. */
  readonly #verifying = new Map<string, Promise<Verified | Rejection>>()
  readonly #questions: SharedQuestions<boolean>
  readonly #proofs: Proofs

  constructor(parts: CheckParts) {
    this.#parts = parts
    this.#questions = new SharedQuestions(parts.clock)
    this.#proofs = new Proofs(() => parts.brokerClock.now())
  }

  async check(token: string, presented: Presented | undefined): Promise<CheckResult> {
    const { catchUp } = this.#parts
    if (catchUp !== undefined) await catchUp()
    return (presented === undefined && this.#now(token)) || this.#later(token, presented)
  }

  /**
   * Decides about a token that came as Bearer, without waiting. Returns undefined if `check` must be
   * called: the token is not verified yet, is bound to a key, or the broker has to answer first.
   */
  known(token: string): CheckResult | undefined {
    return this.#parts.catchUp === undefined ? this.#now(token) : undefined
  }

  /**
   * Decides about a token that was verified before, while the guard holds a lease. Awaits nothing,
   * so that the latest revocations decide.
   */
  #now(token: string): CheckResult | undefined {
    const { cache, feed, lease, onIssued } = this.#parts
    if (!feed.ready || !lease.held) return undefined
    const verified = cache.get(token)
    if (verified === undefined || verified.claims.cnf !== undefined) return undefined
    this.counters.checks++
    this.counters.cacheHits++
    const over = this.#over(token, verified)
    if (over !== undefined) return this.#reject(over)
    onIssued(verified.claims.rev)
    return this.#accept(verified.claims)
  }

  async #later(token: string, presented: Presented | undefined): Promise<CheckResult> {
    this.counters.checks++
    const { cache, feed } = this.#parts
    if (!feed.ready)
      return this.#starting('The guard has not heard from the broker yet. Try again in a moment.')
    let verified = cache.get(token)
    if (verified !== undefined) this.counters.cacheHits++
    else {
      const result = await this.#verify(token)
      if ('error' in result) return this.#reject(result)
      verified = result
    }
    if (presented !== undefined || verified.claims.cnf !== undefined) {
      const unproved =
        this.#over(token, verified) ?? (await this.#proofs.judge(token, verified.claims, presented))
      if (unproved !== undefined) return this.#reject(unproved)
    }
    if (!feed.ready) return this.#starting(NEW_LOG)
    // From here to the answer nothing is awaited, unless the broker is asked, so that the latest
    // revocations decide.
    const over = this.#over(token, verified)
    if (over !== undefined) return this.#reject(over)
    this.#parts.onIssued(verified.claims.rev)
    if (this.#parts.lease.held) return this.#accept(verified.claims)
    return this.#withoutLease(token, verified)
  }

  #starting(description: string): Rejection {
    return this.#reject(unavailable('starting', description))
  }

  #accept(claims: AccessClaims): CheckResult {
    this.counters.accepted++
    return { ok: true, claims }
  }

  #reject(rejection: Rejection): Rejection {
    this.rejected[rejection.why] = (this.rejected[rejection.why] ?? 0) + 1
    this.#parts.hooks.rejected({ why: rejection.why })
    return rejection
  }

  /**
   * Rejects an expired token. If this machine's clock is so far ahead that a new token would seem
   * expired too, the answer is 503: with 401 the client would refresh forever.
   */
  #expired({ exp, iat }: { exp?: unknown; iat?: unknown }, description: string): Rejection {
    const ahead = -(this.#parts.brokerClock.offsetSeconds ?? 0)
    const lifetime = typeof exp === 'number' && typeof iat === 'number' ? exp - iat : Infinity
    if (ahead <= this.#parts.settings.clockToleranceSeconds || ahead * 2 < lifetime)
      return invalid('expired', description)
    return unavailable(
      'clock',
      `This machine's clock is ${ahead} s ahead of the broker's: a new token would seem expired too. Set the clock.`,
    )
  }

  #verify(token: string): Promise<Verified | Rejection> {
    const running = this.#verifying.get(token)
    if (running !== undefined) return running
    const verifying = this.#verifyOnce(token).finally(() => this.#verifying.delete(token))
    this.#verifying.set(token, verifying)
    return verifying
  }

  async #verifyOnce(token: string): Promise<Verified | Rejection> {
    const { cache, keys, kids, settings, validity } = this.#parts
    const { issuer, audience, clockToleranceSeconds: toleranceSeconds } = settings
    try {
      const result = await verifyAccessToken(token, keys, {
        issuer,
        audience,
        toleranceSeconds,
        now: validity.now(),
      })
      if (!result.ok && result.why === 'expired')
        return this.#expired(result.claims ?? {}, result.description)
      // A new token would be as early, because the clocks differ.
      if (!result.ok && result.why === 'not_yet_valid')
        return unavailable('clock', `${result.description} Set this machine's clock.`)
      if (!result.ok) return invalid(result.why, result.description)
      const verified = { claims: result.claims, kid: result.kid, version: -1 }
      kids.set(verified.claims, verified.kid)
      cache.set(token, verified)
      return verified
    } catch (error) {
      if (error instanceof KeysUnavailable)
        return unavailable(
          'keys_unavailable',
          'The keys of the broker cannot be read. Try again in a moment.',
        )
      throw error
    }
  }

  /**
   * Returns why a verified token is no longer valid: it has expired, is revoked, or its key was
   * withdrawn. Returns undefined if it is valid.
   */
  #over(token: string, verified: Verified): Rejection | undefined {
    const { cache, ledger, validity } = this.#parts
    const { claims } = verified
    if (validity.isKeyWithdrawn(verified.kid)) {
      cache.delete(token)
      return invalid('unknown_key', 'It is signed with a key that the issuer has withdrawn.')
    }
    if (validity.secondsLeft(claims) <= 0) {
      cache.delete(token)
      return this.#expired(claims, 'It has expired.')
    }
    if (verified.version === ledger.version) return undefined
    const covered = validity.revoked(claims)
    if (covered === undefined) verified.version = ledger.version
    else return invalid(covered, COVERED[covered])
    return undefined
  }

  async #withoutLease(token: string, verified: Verified): Promise<CheckResult> {
    if (this.#parts.settings.withoutLease === 'reject')
      return this.#reject(
        unavailable('no_lease', 'The guard does not know what is revoked: it holds no lease.'),
      )
    try {
      if (!(await this.#ask(token)))
        return this.#reject(invalid('inactive', 'The broker says that it is no longer valid.'))
    } catch {
      return this.#reject(
        unavailable('no_lease', 'The broker cannot be asked whether it is revoked.'),
      )
    }
    // The feed may have brought a revocation or a reset in the meantime.
    if (!this.#parts.feed.ready) return this.#starting(NEW_LOG)
    const over = this.#over(token, verified)
    return over === undefined ? this.#accept(verified.claims) : this.#reject(over)
  }

  /** Asks the broker about a token. */
  #ask(token: string): Promise<boolean> {
    const { broker, stopping } = this.#parts
    return this.#questions.ask(token, () => {
      this.counters.introspections++
      return broker.introspect(token, stopping)
    })
  }
}

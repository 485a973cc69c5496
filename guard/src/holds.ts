import type { AccessClaims } from './claims.ts'
import type { Clock } from './clock.ts'
import type { Lease } from './lease.ts'
import { keyOf, keysOf, type Bearer, type Entry, type ReasonClass } from './selector.ts'
import type { Validity } from './validity.ts'

/** The reason why a hold ended, which is the `why` of its signal's reason. */
export type HoldEnd = 'revoked' | 'expired' | 'no_lease' | 'stopped'

const MESSAGES: Record<HoldEnd, string> = {
  revoked: 'The token or session that opened this connection is revoked.',
  expired: 'The token or session that opened this connection has expired.',
  no_lease: 'The guard does not know what is revoked: it holds no lease.',
  stopped: 'The guard was stopped.',
}

/** The `reason` of the signal that `hold` returns. */
export class HoldEnded extends Error {
  readonly why: HoldEnd
  /** Why the token was revoked, for the user to read, where the broker has said it. */
  readonly reasonClass: ReasonClass | undefined

  constructor(why: HoldEnd, reasonClass?: ReasonClass) {
    super(MESSAGES[why])
    this.name = 'HoldEnded'
    this.why = why
    this.reasonClass = reasonClass
  }
}

export interface HoldOptions {
  /**
   * Ends the hold when it aborts, because the connection has closed. Default: the hold lasts until
   * the token has expired.
   */
  until?: AbortSignal | undefined
  /**
   * True to keep the signal while there is no lease. Set it only if something else decides then.
   */
  withoutLease?: boolean | undefined
}

/** The longest time between two checks, because the clock may be set and a poll may be due. */
const LOOK_MS = 5000

interface HoldParts {
  clock: Clock
  lease: Lease
  kids: WeakMap<AccessClaims, string>
  validity: Validity
  /** Starts a poll at each check, if the guard polls. Never rejects. */
  catchUp: (() => Promise<void> | undefined) | undefined
}

/** A token or a session by which a connection is held open. */
export interface Holdable {
  bearer: Bearer
  /** Returns why it is not valid any more, whether or not there is a lease. */
  ended: () => HoldEnd | undefined
  secondsLeft: () => number
}

interface Held {
  what: Holdable
  withoutLease: boolean
  abort: AbortController
  release: () => void
}

/**
 * Aborts the signal of each connection that is held open as soon as its token is not valid any
 * more.
 */
export class Holds {
  readonly #parts: HoldParts
  readonly #held = new Set<Held>()
  readonly #byKey = new Map<string, Set<Held>>()
  #look: { atMs: number; cancel: () => void } | undefined
  #stopped = false

  constructor(parts: HoldParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#held.size
  }

  /** Returns a token for `hold`. */
  token(claims: AccessClaims): Holdable {
    const { kids, validity } = this.#parts
    return {
      bearer: claims,
      ended() {
        const kid = kids.get(claims)
        const isWithdrawn = kid !== undefined && validity.isKeyWithdrawn(kid)
        if (isWithdrawn || validity.revoked(claims) !== undefined) return 'revoked'
        return validity.secondsLeft(claims) <= 0 ? 'expired' : undefined
      },
      secondsLeft: () => validity.secondsLeft(claims),
    }
  }

  hold(what: Holdable, { until, withoutLease = false }: HoldOptions = {}): AbortSignal {
    const abort = new AbortController()
    const held: Held = { what, withoutLease, abort, release: () => this.#remove(held) }
    const ended = this.#stopped ? 'stopped' : this.#ended(held)
    if (ended !== undefined) abort.abort(new HoldEnded(ended))
    else if (until?.aborted !== true) {
      this.#add(held)
      if (until !== undefined) {
        until.addEventListener('abort', held.release, { once: true })
        abort.signal.addEventListener(
          'abort',
          () => until.removeEventListener('abort', held.release),
          { once: true },
        )
      }
    }
    return abort.signal
  }

  /** Ends the holds that a new revocation covers. */
  revoked({ seq, selector, reasonClass }: Entry): void {
    for (const held of this.#byKey.get(keyOf(selector)) ?? [])
      if (held.what.bearer.rev < seq) this.#end(held, 'revoked', reasonClass)
  }

  /**
   * Checks every hold after a change other than one revocation: a key was withdrawn, another log
   * began, or entries became a cutoff.
   */
  recheck(): void {
    for (const held of this.#held) {
      const ended = this.#ended(held)
      if (ended !== undefined) this.#end(held, ended)
    }
  }

  stop(): void {
    this.#stopped = true
    for (const held of this.#held) this.#end(held, 'stopped')
  }

  #ended({ what, withoutLease }: Held): HoldEnd | undefined {
    const ended = what.ended()
    return ended ?? (withoutLease || this.#parts.lease.held ? undefined : 'no_lease')
  }

  #end(held: Held, why: HoldEnd, reasonClass?: ReasonClass): void {
    this.#remove(held)
    held.abort.abort(new HoldEnded(why, reasonClass))
  }

  #add(held: Held): void {
    this.#held.add(held)
    for (const key of keysOf(held.what.bearer)) {
      const same = this.#byKey.get(key)
      if (same === undefined) this.#byKey.set(key, new Set([held]))
      else same.add(held)
    }
    this.#lookWithin(this.#dueMs(held))
  }

  #remove(held: Held): void {
    if (!this.#held.delete(held)) return
    for (const key of keysOf(held.what.bearer)) {
      const same = this.#byKey.get(key)
      same?.delete(held)
      if (same?.size === 0) this.#byKey.delete(key)
    }
    if (this.#held.size > 0) return
    this.#look?.cancel()
    this.#look = undefined
  }

  #dueMs({ what, withoutLease }: Held): number {
    const { catchUp, lease } = this.#parts
    const leftMs = withoutLease ? Infinity : lease.leftMs + 1
    const pollMs = catchUp === undefined ? LOOK_MS : lease.lengthMs / 4
    return Math.max(1, Math.min(LOOK_MS, pollMs, what.secondsLeft() * 1000, leftMs))
  }

  /** Sets the one timer that serves all holds. */
  #lookWithin(ms: number): void {
    const { clock } = this.#parts
    const atMs = clock.monotonicMs() + ms
    if (this.#look !== undefined && this.#look.atMs <= atMs) return
    this.#look?.cancel()
    this.#look = { atMs, cancel: clock.after(ms, () => this.#lookNow()) }
  }

  #lookNow(): void {
    this.#look = undefined
    // The poll is not awaited: the known revocations end holds now, and the new ones when they
    // arrive.
    void this.#parts.catchUp?.()
    this.recheck()
    let due = LOOK_MS
    for (const held of this.#held) due = Math.min(due, this.#dueMs(held))
    if (this.#held.size > 0) this.#lookWithin(due)
  }
}

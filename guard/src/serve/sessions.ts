import type { AccessClaims } from '../claims.ts'
import type { Guard } from '../guard.ts'
import type { HoldEnded } from '../holds.ts'
import type { ReasonClass } from '../selector.ts'

/**
 * A session whose tokens are rejected from now on. Applications close connections that a token with
 * this `rev` or a lower one opened.
 */
interface EndedSession {
  sid: string
  sub: string
  client_id: string
  rev: number
  /** Why the session ended, for the user to read, where the broker has said it. */
  reason_class?: ReasonClass | undefined
}

/** Reports an event. `forgotten`: too many sessions, so this one is no longer watched. */
type Say = (event: 'ended' | 'forgotten', session: EndedSession) => void

const MOST = 100_000

interface Watched {
  exp: number
  release: AbortController
}

/** The sessions of accepted, unexpired tokens. The stream reports only these. */
export class Sessions {
  readonly #guard: Pick<Guard, 'hold'>
  readonly #say: Say
  readonly #watched = new Map<string, Watched>()
  /**
   * Claims of tokens accepted before. The guard returns the same object while it remembers the
   * token.
   */
  #known = new WeakSet<AccessClaims>()
  readonly #most: number

  constructor({
    guard,
    most = MOST,
    say,
  }: {
    guard: Pick<Guard, 'hold'>
    say: Say
    most?: number | undefined
  }) {
    this.#guard = guard
    this.#say = say
    this.#most = most
  }

  get size(): number {
    return this.#watched.size
  }

  /** Watches the session of an accepted token. A client_credentials token has none. */
  accepted(claims: AccessClaims): void {
    if (this.#known.has(claims)) return
    this.#known.add(claims)
    const { client_id, exp, rev, sid, sub } = claims
    if (sid === undefined) return
    const key = JSON.stringify([sid, client_id, rev, sub])
    const before = this.#watched.get(key)
    if (before !== undefined && before.exp >= exp) return
    before?.release.abort()
    const release = new AbortController()
    this.#watched.set(key, { exp, release })
    // Without a lease no session ends: the stream reports `no_lease`, and the application decides.
    const signal = this.#guard.hold(claims, { until: release.signal, withoutLease: true })
    const ended = (): void => {
      if (this.#watched.get(key)?.release !== release) return
      this.#watched.delete(key)
      const { why, reasonClass } = signal.reason as HoldEnded
      if (why === 'revoked')
        this.#say('ended', { sid, sub, client_id, rev, reason_class: reasonClass })
    }
    if (signal.aborted) ended()
    else signal.addEventListener('abort', ended, { once: true })
    if (this.#watched.size > this.#most) this.#forgetOldest()
  }

  #forgetOldest(): void {
    const oldest = this.#watched.entries().next().value
    if (oldest === undefined) return
    const [key, { release }] = oldest
    this.#watched.delete(key)
    release.abort()
    // Clears the cache of known claims, so that a later request watches the forgotten session
    // again.
    this.#known = new WeakSet()
    const [sid, client_id, rev, sub] = JSON.parse(key) as [string, string, number, string]
    this.#say('forgotten', { sid, sub, client_id, rev })
  }
}

import type { AccessClaims } from '../claims.ts'
import type { Guard } from '../guard.ts'
import type { HoldEnded, HoldOptions } from '../holds.ts'
import type { ReasonClass } from '../selector.ts'
import type { SessionClaims } from '../session-check.ts'

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

/**
 * Reports an event. `forgotten`: this session is no longer watched, because there are too many, or
 * because it is not known any more whether it is live.
 */
type Say = (event: 'ended' | 'forgotten', session: EndedSession) => void

const MOST = 100_000

interface Watched {
  exp: number
  release: AbortController
}

/** The sessions of accepted tokens, and live sessions. The stream reports only these. */
export class Sessions {
  readonly #guard: Pick<Guard, 'hold' | 'holdSession'>
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
    guard: Pick<Guard, 'hold' | 'holdSession'>
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
    this.#watch({ sid, sub, client_id, rev }, exp, (options) => this.#guard.hold(claims, options))
  }

  /** Watches a session that was found live. */
  live(session: SessionClaims, clientId: string, rev: number): void {
    const { session_expiry, sid, sub } = session
    this.#watch({ sid, sub, client_id: clientId, rev }, session_expiry, (options) =>
      this.#guard.holdSession(session, options),
    )
  }

  #watch(session: EndedSession, exp: number, hold: (options: HoldOptions) => AbortSignal): void {
    const { client_id, rev, sid, sub } = session
    const key = JSON.stringify([sid, client_id, rev, sub])
    const before = this.#watched.get(key)
    if (before !== undefined && before.exp >= exp) return
    before?.release.abort()
    const release = new AbortController()
    this.#watched.set(key, { exp, release })
    // Without a lease no session ends: the stream reports `no_lease`, and the application decides.
    const signal = hold({ until: release.signal, withoutLease: true })
    const ended = (): void => {
      if (this.#watched.get(key)?.release !== release) return
      this.#watched.delete(key)
      const { why, reasonClass } = signal.reason as HoldEnded
      if (why === 'revoked') this.#say('ended', { ...session, reason_class: reasonClass })
      else if (why === 'no_lease') this.#say('forgotten', session)
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

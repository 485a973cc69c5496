import type { AccessClaims } from '../claims.ts'
import type { Guard } from '../guard.ts'
import type { HoldEnded } from '../holds.ts'

/**
 * A session whose tokens are rejected from now on. Connections that were opened by a token with
 * this `rev` or a lower one end.
 */
interface EndedSession {
  sid: string
  sub: string
  client_id: string
  rev: number
}

/** `forgotten`: more sessions than fit, and this one is no longer watched. */
type Say = (event: 'ended' | 'forgotten', session: EndedSession) => void

const MOST = 100_000

interface Watched {
  exp: number
  release: AbortController
}

/**
 * The sessions of the tokens that this process has accepted and that have not expired: the stream
 * names no others.
 */
export class Sessions {
  readonly #guard: Pick<Guard, 'hold'>
  readonly #say: Say
  readonly #watched = new Map<string, Watched>()
  /**
   * Whose token was accepted before: the same object is handed out while the guard remembers the
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

  /** A token was accepted. One of no session (client_credentials) has none to end. */
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
    // A silent broker ends no session: the stream says `no_lease`, and the application decides.
    const signal = this.#guard.hold(claims, { until: release.signal, withoutLease: true })
    const ended = (): void => {
      if (this.#watched.get(key)?.release !== release) return
      this.#watched.delete(key)
      if ((signal.reason as HoldEnded).why === 'revoked')
        this.#say('ended', { sid, sub, client_id, rev })
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
    // Some of those that are known are no longer watched: they are looked at again.
    this.#known = new WeakSet()
    const [sid, client_id, rev, sub] = JSON.parse(key) as [string, string, number, string]
    this.#say('forgotten', { sid, sub, client_id, rev })
  }
}

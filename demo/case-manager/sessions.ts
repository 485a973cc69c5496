import { createHash, randomBytes } from 'node:crypto'
import { covers, type Bearer, type Entry, type Logout, type ReasonClass } from '@case-manager/guard'

/**
 * The instance's own sessions, in memory. The guard judges each at every request. Cookies are kept
 * as hashes.
 */
export interface InstanceSession extends Bearer {
  sid: string
  /** The claims of the newest ID token, by which the guard judges the session. */
  claims: object
  sub: string
  name: string
  email: string | undefined
  idToken: string
  accessToken: string
  refreshToken: string | undefined
  /** Epoch seconds from which the session is refreshed before its use. */
  refreshAt: number
  ended: boolean
  /** The state that the broker must return after a sign-out that began here. */
  signOutState: string | undefined
  /** The open pages, each with its callback for the session's end. */
  readonly pages: Set<(why: ReasonClass | undefined) => void>
}

const hash = (cookie: string): string => createHash('sha256').update(cookie).digest('base64url')

/** The number of ended sessions that are kept, so that their users read why. */
const REMEMBERED = 1_000

export class Sessions {
  readonly #sessions = new Map<string, InstanceSession>()
  readonly #ended = new Map<string, { session: InstanceSession; why?: ReasonClass | undefined }>()

  /**
   * Adds a session.
   * @returns the cookie's value
   */
  open(session: InstanceSession): string {
    const cookie = randomBytes(32).toString('base64url')
    this.#sessions.set(hash(cookie), session)
    return cookie
  }

  find(cookie: string | undefined): InstanceSession | undefined {
    return cookie === undefined ? undefined : this.#sessions.get(hash(cookie))
  }

  end(session: InstanceSession, why?: ReasonClass): void {
    this.#endWhere((instanceSession) => instanceSession === session, why)
  }

  /** Ends the sessions that a revocation from the feed covers. Their open pages say why. */
  revoked(revocation: Pick<Entry, 'seq' | 'selector' | 'reasonClass'>): void {
    this.#endWhere((session) => covers(revocation, session), revocation.reasonClass)
  }

  /**
   * Ends the sessions that a logout token names. A late token must not end sessions that were
   * opened after its sign-out; their `rev` is not lower.
   */
  loggedOut({ sid, sub, rev, reasonClass }: Logout): void {
    const over = (session: InstanceSession): boolean =>
      (sid === undefined ? session.sub === sub : session.sid === sid) &&
      (rev === undefined || session.rev < rev)
    this.#endWhere(over, reasonClass)
  }

  /**
   * Returns the end of the cookie's session, with the reason where it is known; undefined where it
   * has not ended.
   */
  endOf(cookie: string | undefined): { why: ReasonClass | undefined } | undefined {
    const found = cookie === undefined ? undefined : this.#ended.get(hash(cookie))
    return found && { why: found.why }
  }

  #endWhere(over: (session: InstanceSession) => boolean, why: ReasonClass | undefined): void {
    // A session whose refresh was rejected has ended before its reason arrives.
    for (const ended of this.#ended.values()) if (over(ended.session)) ended.why ??= why
    for (const [key, session] of this.#sessions) {
      if (!over(session)) continue
      this.#sessions.delete(key)
      session.ended = true
      this.#ended.set(key, { session, why })
      for (const tell of session.pages) tell(why)
      session.pages.clear()
    }
    for (const key of this.#ended.keys()) {
      if (this.#ended.size <= REMEMBERED) break
      this.#ended.delete(key)
    }
  }
}

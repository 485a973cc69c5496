import { createHash, randomBytes } from 'node:crypto'
import { covers, type Bearer, type Logout, type ReasonClass } from '@case-manager/guard'

/**
 * The instance's own sessions, in memory: each is only as good as its access token, and ends the
 * moment the broker says so. Cookies are kept as hashes.
 */
export interface InstanceSession extends Bearer {
  sid: string
  sub: string
  name: string
  email: string | undefined
  idToken: string
  accessToken: string
  refreshToken: string | undefined
  /** Epoch seconds: from then on it is refreshed before it is used. */
  refreshAt: number
  ended: boolean
  /** What the broker must bring back after a sign-out that began here. */
  signOutState: string | undefined
  /** Pages that are open now. */
  readonly pages: Set<() => void>
}

const hash = (cookie: string): string => createHash('sha256').update(cookie).digest('base64url')

/** Sessions that ended, remembered so that their user reads why. */
const REMEMBERED = 1_000

export class Sessions {
  readonly #sessions = new Map<string, InstanceSession>()
  readonly #ended = new Map<string, { session: InstanceSession; why?: ReasonClass | undefined }>()

  /** @returns the cookie's value */
  open(session: InstanceSession): string {
    const cookie = randomBytes(32).toString('base64url')
    this.#sessions.set(hash(cookie), session)
    return cookie
  }

  find(cookie: string | undefined): InstanceSession | undefined {
    return cookie === undefined ? undefined : this.#sessions.get(hash(cookie))
  }

  end(session: InstanceSession): void {
    this.#endWhere((one) => one === session)
  }

  /** A revocation from the feed. */
  revoked(revocation: Parameters<typeof covers>[0]): void {
    this.#endWhere((session) => covers(revocation, session))
  }

  /**
   * A logout token. One that comes late must not end what was opened after the sign-out it tells
   * of: those have a `rev` that is not lower. The feed may have ended the session before: then the
   * token says why.
   */
  loggedOut({ sid, sub, rev, reasonClass }: Logout): void {
    const over = (session: InstanceSession): boolean =>
      (sid === undefined ? session.sub === sub : session.sid === sid) &&
      (rev === undefined || session.rev < rev)
    this.#endWhere(over)
    for (const one of this.#ended.values()) if (over(one.session)) one.why ??= reasonClass
  }

  /** Whether the session of that cookie has ended, and why where that is known. */
  endOf(cookie: string | undefined): { why: ReasonClass | undefined } | undefined {
    const found = cookie === undefined ? undefined : this.#ended.get(hash(cookie))
    return found && { why: found.why }
  }

  #endWhere(over: (session: InstanceSession) => boolean): void {
    for (const [key, session] of this.#sessions) {
      if (!over(session)) continue
      this.#sessions.delete(key)
      session.ended = true
      this.#ended.set(key, { session })
      for (const tell of session.pages) tell()
      session.pages.clear()
    }
    for (const key of this.#ended.keys()) {
      if (this.#ended.size <= REMEMBERED) break
      this.#ended.delete(key)
    }
  }
}

import { createHash, randomBytes } from 'node:crypto'
import { covers, type Bearer } from '@case-manager/guard'

/**
 * The instance's own sessions, in memory: each is only as good as its access token, and ends the moment the broker says so. Cookies are kept
 * as hashes.
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

export class Sessions {
  readonly #sessions = new Map<string, InstanceSession>()

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

  /** A logout token. One that comes late must not end what was opened after the sign-out it tells of: those have a `rev` that is not lower. */
  loggedOut({ sid, sub, rev }: { sid?: string; sub?: string; rev?: number }): void {
    this.#endWhere((session) => (sid === undefined ? session.sub === sub : session.sid === sid) && (rev === undefined || session.rev < rev))
  }

  #endWhere(over: (session: InstanceSession) => boolean): void {
    for (const [key, session] of this.#sessions) {
      if (!over(session)) continue
      this.#sessions.delete(key)
      session.ended = true
      for (const tell of session.pages) tell()
      session.pages.clear()
    }
  }
}

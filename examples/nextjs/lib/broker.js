// Shared state of the route handlers, created once per process: the guard, the OpenID client and
// the sessions.
import { covers, createGuard } from '@case-manager/guard'
import * as client from 'openid-client'

export const { BASE_URL, CLIENT_ID, CLIENT_SECRET, ISSUER } = process.env
export const COOKIE = {
  path: '/',
  httpOnly: true,
  sameSite: 'lax',
  secure: BASE_URL?.startsWith('https:') ?? true,
}

function begin() {
  /**
   * Sessions by id. Use a database with several processes, or if sessions must survive a restart.
   */
  const sessions = new Map()
  const endWhere = (isMeant) => {
    for (const [id, session] of sessions) if (isMeant(session.claims)) sessions.delete(id)
  }
  const guard = createGuard({
    issuer: ISSUER,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    // Keeps newer sessions: one with the same rev or a higher one was opened after the sign-out.
    onLogout: ({ rev, sid, sub }) =>
      endWhere(
        (claims) =>
          (sid === undefined ? claims.sub === sub : claims.sid === sid) && claims.rev < rev,
      ),
  })
  guard.onRevocation((revocation) => endWhere((claims) => covers(revocation, claims)))
  void guard.start()
  const discovered = client.discovery(
    new URL(ISSUER),
    CLIENT_ID,
    {},
    client.ClientSecretBasic(CLIENT_SECRET),
  )
  return { guard, sessions, discovered }
}

/**
 * Returns the shared state, created at its first use. Next.js loads route modules during the build,
 * and more than once at run time.
 */
export const broker = () => (globalThis.broker ??= begin())

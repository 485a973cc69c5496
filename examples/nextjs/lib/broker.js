// What the route handlers share, once for each process: the guard, the client of the broker and the
// sessions.
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
   * By id. In a database where there are several processes, or where sessions outlive a restart.
   */
  const sessions = new Map()
  const endWhere = (isMeant) => {
    for (const [id, session] of sessions) if (isMeant(session.claims)) sessions.delete(id)
  }
  const guard = createGuard({
    issuer: ISSUER,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    // Never what is newer: a session with the same rev or a higher one was opened after the
    // sign-out.
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
 * Not when a module is read: Next.js reads the modules of routes while it builds, and more than
 * once while it runs.
 */
export const broker = () => (globalThis.broker ??= begin())

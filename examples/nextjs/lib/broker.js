// Shared state of the route handlers, created once per process: the guard, the OpenID client and
// the sessions.
import { createGuard } from '@case-manager/guard'
import { checkSessions } from '@case-manager/guard/next'
import { NextResponse } from 'next/server.js'
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
  const guard = createGuard({ issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })
  const idOf = (request) => request.cookies.get('session')?.value
  const withSession = checkSessions(guard, {
    claims: (request) => sessions.get(idOf(request))?.claims,
    end: (request) => sessions.delete(idOf(request)),
    // For an open page: `new EventSource('/session/events').addEventListener('ended', …)`.
    events: '/session/events',
  })
  void guard.start()
  const discovered = client.discovery(
    new URL(ISSUER),
    CLIENT_ID,
    {},
    client.ClientSecretBasic(CLIENT_SECRET),
  )
  return { guard, sessions, discovered, judge: withSession(() => NextResponse.next()) }
}

/**
 * Returns the shared state, created at its first use. Next.js loads route modules during the build,
 * and more than once at run time.
 */
export const broker = () => (globalThis.broker ??= begin())

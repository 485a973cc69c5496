import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { createGuard, type Guard, type GuardClock } from '@case-manager/guard'
import { createInstance } from './app.tsx'
import { RelyingParty } from './oidc.ts'
import { Sessions } from './sessions.ts'
import { createSessionCheck } from './session-check.ts'

/**
 * A sample Case Manager instance: a small case list that signs users in through the broker, and
 * rejects a session as soon as it has ended.
 */

export interface CaseManagerOptions {
  /** The name, for example "Case Manager Sydney". */
  name: string
  /** The port; 0: any free one. */
  port: number
  /** The address for browsers and the broker; the default is `http://localhost:<port>`. */
  url?: string | undefined
  issuer: string
  clientId: string
  clientSecret: string
  /** Another instance to link to. */
  other?: { name: string; url: string } | undefined
  clock?: GuardClock | undefined
  /** Called with problems for the developer: the feed is down, or a logout token was rejected. */
  onProblem?: ((error: Error) => void) | undefined
}

/** Returns the registration that the instance needs (RFC 7591 names). */
export const registrationOf = (name: string, url: string) => ({
  client_name: name,
  client_uri: `${url}/`,
  initiate_login_uri: `${url}/sign-in`,
  redirect_uris: [`${url}/oidc/callback`],
  post_logout_redirect_uris: [`${url}/signed-out`],
  backchannel_logout_uris: [`${url}/oidc/backchannel-logout`],
  // Its own page has the button "Sign in with Microsoft".
  skip_sign_in_page: true,
  // The guard handles logout tokens by `sub`.
  logout_by: 'sub',
  own_sessions: 'guard',
  audience: url,
})

/**
 * How long the instance waits for the broker before it serves. Until the guard is ready it rejects
 * what it cannot check.
 */
const READY_MS = 15_000
/** The wait for a broker at a public address, whose proxy may start later than the demo. */
const PUBLIC_READY_MS = 1_000

/**
 * Starts the instance. Resolves when it listens and, if the broker answers in time, when tokens can
 * be checked.
 */
export async function startCaseManager(
  options: CaseManagerOptions,
): Promise<{ url: string; guard: Guard; close(): Promise<void> }> {
  const { clientId, clientSecret, clock, issuer, name, onProblem } = options
  let listener: RequestListener = (_, response) => void response.writeHead(503).end()
  const server = createServer((request, response) => listener(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, '127.0.0.1', resolve)
  })
  const url = options.url ?? `http://localhost:${(server.address() as AddressInfo).port}`
  const now = (): number => Math.floor((clock?.nowMs() ?? Date.now()) / 1000)

  const sessions = new Sessions()
  const guard = createGuard({
    issuer,
    clientId,
    clientSecret,
    audience: url,
    clock,
    onLogout: (logout) => sessions.loggedOut(logout),
    hooks: onProblem === undefined ? {} : { problem: onProblem },
  })
  guard.onRevocation((revocation) => sessions.revoked(revocation))
  const redirectUri = `${url}/oidc/callback`
  const relyingParty = new RelyingParty({
    issuer,
    clientId,
    clientSecret,
    guard,
    now,
    redirectUri,
    signedOutUri: `${url}/signed-out`,
  })
  const goesOn = createSessionCheck({ relyingParty, sessions, now })
  const app = createInstance({
    place: { name, issuer, other: options.other },
    url,
    guard,
    relyingParty,
    sessions,
    goesOn,
  })
  const answer = getRequestListener(app.fetch)
  listener = (request, response) => void answer(request, response)
  await within(issuer.startsWith('https:') ? PUBLIC_READY_MS : READY_MS, guard.start())
  return {
    url,
    guard,
    async close() {
      await guard.stop()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function within(ms: number, what: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([what, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}

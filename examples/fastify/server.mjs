// An instance with Fastify: openid-client signs users in, the guard ends their sessions and checks
// access tokens.
import { randomBytes } from 'node:crypto'
import { covers, createGuard } from '@case-manager/guard'
import { claimsOf, receiveLogout, requireToken } from '@case-manager/guard/fastify'
import cookie from '@fastify/cookie'
import fastify from 'fastify'
import * as client from 'openid-client'

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, ISSUER, REFRESH_BEFORE_SECONDS = '30' } = process.env
const REDIRECT_URI = `${BASE_URL}/callback`
const COOKIE = { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') }

/** Sessions by id. Use a database with several processes, or if sessions must survive a restart. */
const sessions = new Map()
/** Ends sessions, and tells their open pages why: /events sends them the class of the reason. */
const endWhere = (isMeant, why) => {
  for (const [id, session] of sessions) {
    if (!isMeant(session.claims)) continue
    sessions.delete(id)
    for (const page of session.pages) page.end(`event: ended\ndata: ${String(why)}\n\n`)
  }
}

const guard = createGuard({
  issuer: ISSUER,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  // Keeps newer sessions: one with the same rev or a higher one was opened after the sign-out.
  onLogout: ({ reasonClass, rev, sid, sub }) =>
    endWhere(
      (claims) => (sid === undefined ? claims.sub === sub : claims.sid === sid) && claims.rev < rev,
      reasonClass,
    ),
})
guard.onRevocation((revocation) =>
  endWhere((claims) => covers(revocation, claims), revocation.reasonClass),
)
await guard.start()
const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  {},
  client.ClientSecretBasic(CLIENT_SECRET),
)

/** Returns the session for an answer of the token endpoint. */
async function sessionOf(tokens, former) {
  const checked = await guard.check(tokens.access_token)
  if (!checked.ok)
    throw Object.assign(new Error(checked.description), { statusCode: checked.status })
  return {
    claims: checked.claims,
    name: former?.name ?? tokens.claims()?.name,
    refreshToken: tokens.refresh_token,
    refreshing: undefined,
    pages: former?.pages ?? new Set(),
  }
}

async function refresh(id, session) {
  try {
    sessions.set(
      id,
      await sessionOf(await client.refreshTokenGrant(config, session.refreshToken), session),
    )
  } catch (error) {
    // Only invalid_grant ends the session. After other errors the next request retries.
    if (error.error === 'invalid_grant') sessions.delete(id)
    else session.refreshing = undefined
  }
}

/**
 * Returns the session of a request, with its token refreshed in time. Undefined if the user is
 * signed out.
 */
async function sessionFor(request) {
  const id = request.cookies.session
  const session = sessions.get(id)
  if (session === undefined) return undefined
  const left = session.claims.exp - Date.now() / 1000
  if (left < Number(REFRESH_BEFORE_SECONDS)) await (session.refreshing ??= refresh(id, session))
  const kept = sessions.get(id)
  return kept !== undefined && kept.claims.exp > Date.now() / 1000 ? kept : undefined
}

const app = fastify()
await app.register(cookie)

app.get('/', (_request, reply) =>
  reply.type('text/html').send('<a href="/login">Sign in with Microsoft</a>'),
)

app.get('/login', async (_request, reply) => {
  const [state, nonce, verifier] = [
    client.randomState(),
    client.randomNonce(),
    client.randomPKCECodeVerifier(),
  ]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile email offline_access',
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  reply.setCookie('sign-in', JSON.stringify({ state, nonce, verifier }), { ...COOKIE, maxAge: 600 })
  return reply.redirect(url.href)
})

app.get('/callback', async (request, reply) => {
  const { nonce, state, verifier } = JSON.parse(request.cookies['sign-in'] ?? '{}')
  const tokens = await client.authorizationCodeGrant(config, new URL(request.url, BASE_URL), {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  })
  const id = randomBytes(32).toString('base64url')
  sessions.set(id, await sessionOf(tokens))
  reply.clearCookie('sign-in', COOKIE).setCookie('session', id, COOKIE)
  return reply.redirect('/me')
})

app.get('/me', async (request, reply) => {
  const session = await sessionFor(request)
  if (session === undefined) return reply.code(401).send({ error: 'signed_out' })
  return { sub: session.claims.sub, name: session.name, exp: session.claims.exp }
})

/** The stream of one open page: `new EventSource('/events').addEventListener('ended', …)`. */
app.get('/events', async (request, reply) => {
  const session = await sessionFor(request)
  if (session === undefined) return reply.code(401).send({ error: 'signed_out' })
  reply.hijack().raw.writeHead(200, { 'content-type': 'text/event-stream' }).write('\n')
  session.pages.add(reply.raw.on('close', () => session.pages.delete(reply.raw)))
})

app.get('/api/me', { onRequest: requireToken(guard) }, async (request) => ({
  sub: claimsOf(request).sub,
}))
app.register(receiveLogout(guard, '/oidc/backchannel-logout'))
await app.listen({ host: '127.0.0.1', port: Number(new URL(BASE_URL).port) })

// An instance with Fastify: openid-client signs users in, the guard judges their sessions at each
// request and checks access tokens.
import { randomBytes } from 'node:crypto'
import { createGuard } from '@case-manager/guard'
import { checkSessions, claimsOf, receiveLogout, requireToken } from '@case-manager/guard/fastify'
import cookie from '@fastify/cookie'
import fastify from 'fastify'
import * as client from 'openid-client'

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, ISSUER, REFRESH_BEFORE_SECONDS = '30' } = process.env
const REDIRECT_URI = `${BASE_URL}/callback`
const COOKIE = { path: '/', httpOnly: true, sameSite: 'lax', secure: BASE_URL.startsWith('https:') }

/** Sessions by id. Use a database with several processes, or if sessions must survive a restart. */
const sessions = new Map()
const guard = createGuard({ issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })

const app = fastify()
await app.register(cookie)
await app.register(
  checkSessions(guard, {
    claims: (request) => sessions.get(request.cookies.session)?.claims,
    end(request, reply) {
      sessions.delete(request.cookies.session)
      reply.clearCookie('session', COOKIE)
    },
    // For an open page: `new EventSource('/session/events').addEventListener('ended', …)`.
    events: '/session/events',
  }),
)
await guard.start()
const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  {},
  client.ClientSecretBasic(CLIENT_SECRET),
)

/** Returns the session for an answer of the token endpoint. */
const sessionOf = (tokens, former) => ({
  claims: tokens.claims() ?? former?.claims,
  name: former?.name ?? tokens.claims()?.name,
  exp: Math.floor(Date.now() / 1000) + tokens.expires_in,
  refreshToken: tokens.refresh_token,
  refreshing: undefined,
})

async function refresh(id, session) {
  try {
    const tokens = await client.refreshTokenGrant(config, session.refreshToken)
    // The guard may have ended the session in the meantime.
    if (sessions.has(id)) sessions.set(id, sessionOf(tokens, session))
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
  const left = session.exp - Date.now() / 1000
  if (left < Number(REFRESH_BEFORE_SECONDS)) await (session.refreshing ??= refresh(id, session))
  const kept = sessions.get(id)
  return kept !== undefined && kept.exp > Date.now() / 1000 ? kept : undefined
}

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
  sessions.set(id, sessionOf(tokens))
  reply.clearCookie('sign-in', COOKIE).setCookie('session', id, COOKIE)
  return reply.redirect('/me')
})

app.get('/me', async (request, reply) => {
  const session = await sessionFor(request)
  if (session === undefined) return reply.code(401).send({ error: 'signed_out' })
  return { sub: session.claims.sub, name: session.name, exp: session.exp }
})

app.get('/api/me', { onRequest: requireToken(guard) }, async (request) => ({
  sub: claimsOf(request).sub,
}))
app.register(receiveLogout(guard, '/oidc/backchannel-logout'))
await app.listen({ host: '127.0.0.1', port: Number(new URL(BASE_URL).port) })

// An instance with Express: express-openid-connect signs users in, the guard judges their sessions at
// each request and checks the access tokens of other callers.
import { createGuard } from '@case-manager/guard'
import { checkSessions, claimsOf, receiveLogout, requireToken } from '@case-manager/guard/express'
import express from 'express'
import oidc from 'express-openid-connect'

const { BASE_URL, CLIENT_ID, CLIENT_SECRET, COOKIE_SECRET, ISSUER } = process.env

const guard = createGuard({ issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET })
const app = express()
app.post('/oidc/backchannel-logout', receiveLogout(guard))
app.use(
  oidc.auth({
    issuerBaseURL: ISSUER,
    baseURL: BASE_URL,
    clientID: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    clientAuthMethod: 'client_secret_basic',
    secret: COOKIE_SECRET,
    authRequired: false,
    enableTelemetry: false,
    authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' },
  }),
)
app.use(
  checkSessions(guard, {
    claims: (request) => request.oidc.idTokenClaims,
    end(request) {
      request.appSession = undefined
    },
    // For an open page: `new EventSource('/session/events').addEventListener('ended', …)`.
    events: '/session/events',
  }),
)
void guard.start()

/**
 * Refreshes an expired access token. A session lasts as long as its access token, and ends if the
 * broker rejects the refresh.
 */
app.use(async (request, response, next) => {
  const { accessToken } = request.oidc
  if (!accessToken?.isExpired()) return next()
  try {
    await accessToken.refresh()
    next()
  } catch (error) {
    if (error?.error !== 'invalid_grant')
      return response.status(503).json({ error: 'temporarily_unavailable' })
    await response.oidc.logout({ returnTo: BASE_URL })
  }
})

app.get('/', (_request, response) => response.send('<a href="/login">Sign in with Microsoft</a>'))

app.get('/me', (request, response) => {
  if (!request.oidc.isAuthenticated()) return response.status(401).json({ error: 'signed_out' })
  const { name, sub } = request.oidc.user
  response.json({ sub, name })
})

app.get('/api/me', requireToken(guard), (request, response) =>
  response.json({ sub: claimsOf(request).sub }),
)

app.listen(Number(new URL(BASE_URL).port), '127.0.0.1')

// Two instances. reports exchanges a user's token for one whose audience is archive (RFC 8693), and
// calls archive with it. For its own work, without a user, it gets a token by client_credentials.
// Both check access tokens with the guard.
import { createServer } from 'node:http'
import { createGuard } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/node'
import * as client from 'openid-client'

const {
  ARCHIVE_CLIENT_ID,
  ARCHIVE_CLIENT_SECRET,
  ARCHIVE_URL,
  BASE_URL,
  CLIENT_ID,
  CLIENT_SECRET,
  ISSUER,
} = process.env
/** Returns the default audience of an instance. */
const audienceOf = (clientId) => 'urn:case-manager:instance:'.concat(clientId)

/**
 * Returns the response to a failed exchange. After a sign-out the broker rejects the exchange with
 * invalid_request (RFC 8693 §2.2.2), possibly before the guard learns of it.
 */
const failure = ({ error, message }) =>
  error === 'invalid_request'
    ? {
        status: 401,
        headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
        body: { error: message },
      }
    : { status: 502, body: { error: message } }

/** Starts an instance that requires an access token on every request. */
async function listen(url, clientId, clientSecret, answer) {
  const guard = createGuard({ issuer: ISSUER, clientId, clientSecret })
  await guard.start()
  const authorize = requireToken(guard)
  const send = (response, { status, headers, body }) =>
    response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(JSON.stringify(body))
  const serve = async (request, response) => {
    const claims = await authorize(request, response)
    if (claims === undefined) return
    send(response, await answer(claims, request).catch(failure))
  }
  createServer((request, response) => void serve(request, response)).listen(
    Number(new URL(url).port),
    '127.0.0.1',
  )
}

// archive: answers with the user of the token (sub) and the caller (client_id).
await listen(ARCHIVE_URL, ARCHIVE_CLIENT_ID, ARCHIVE_CLIENT_SECRET, async ({ client_id, sub }) => ({
  status: 200,
  body: { sub, client_id },
}))

const config = await client.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  {},
  client.ClientSecretBasic(CLIENT_SECRET),
)

/**
 * Exchanges the user's token, which is for reports only. The new token ends with the same session.
 */
const onBehalfOf = (token) =>
  client.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: ARCHIVE_CLIENT_ID,
  })
/** Gets a token without a user. Keep it until shortly before it expires. */
const forItself = () =>
  client.clientCredentialsGrant(config, { resource: audienceOf(ARCHIVE_CLIENT_ID) })

await listen(BASE_URL, CLIENT_ID, CLIENT_SECRET, async (_claims, { headers, url }) => {
  const held = headers.authorization.replace(/^Bearer /i, '')
  const { access_token: token } = await (url === '/own' ? forItself() : onBehalfOf(held))
  if (url === '/exchanged') return { status: 200, body: { token } }
  const answer = await fetch(ARCHIVE_URL, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.json() }
})

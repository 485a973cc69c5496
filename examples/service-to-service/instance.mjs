// The credentials of an instance at the broker, and its server, each of whose requests needs
// an access token.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createGuard } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/node'
import * as client from 'openid-client'

const {
  BASE_URL,
  CLIENT_ID,
  CLIENT_SECRET: clientSecret,
  HOST = '127.0.0.1',
  ISSUER,
  TOKEN_FILE,
} = process.env

/** Reads the platform's token at each use, because the platform replaces it before it expires. */
const clientAssertion = async () => (await readFile(TOKEN_FILE, 'utf8')).trim()
const guard = createGuard({
  issuer: ISSUER,
  clientId: CLIENT_ID,
  ...(TOKEN_FILE ? { clientAssertion } : { clientSecret }),
})

/** Sends the platform's token in the body of a request (RFC 7523 §2.2). */
async function sendToken(_server, _client, body) {
  body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  body.set('client_assertion', await clientAssertion())
}
export const discoverBroker = () =>
  client.discovery(
    new URL(ISSUER),
    CLIENT_ID,
    {},
    TOKEN_FILE ? sendToken : client.ClientSecretBasic(clientSecret),
  )

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

/** Starts the server. `answer` gets the claims of the token and the request. */
export async function listen(answer) {
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
    Number(new URL(BASE_URL).port),
    HOST,
  )
}

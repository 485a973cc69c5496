// An instance that exchanges a user's token for one whose audience is archive (RFC 8693), and calls
// archive with it. For its own work, without a user, it gets a token by client_credentials.
import * as client from 'openid-client'
import { discoverBroker, listen } from './instance.mjs'

const { ARCHIVE_CLIENT_ID, ARCHIVE_URL } = process.env
const broker = await discoverBroker()

/**
 * Exchanges the user's token, which is for reports only. The new token ends with the same session.
 */
const onBehalfOf = (token) =>
  client.genericGrantRequest(broker, 'urn:ietf:params:oauth:grant-type:token-exchange', {
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience: ARCHIVE_CLIENT_ID,
  })
/** Gets a token without a user. Keep it until shortly before it expires. */
const forItself = () =>
  client.clientCredentialsGrant(broker, {
    resource: `urn:case-manager:instance:${ARCHIVE_CLIENT_ID}`,
  })

await listen(async (_claims, { headers, url }) => {
  const held = headers.authorization.replace(/^Bearer /i, '')
  const { access_token: token } = await (url === '/own' ? forItself() : onBehalfOf(held))
  if (url === '/exchanged') return { status: 200, body: { token } }
  const answer = await fetch(ARCHIVE_URL, { headers: { authorization: `Bearer ${token}` } })
  return { status: answer.status, body: await answer.json() }
})

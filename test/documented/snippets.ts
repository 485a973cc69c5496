/** The programs of the code blocks: the lines before and after them. */

const START = `const [issuer, clientId, clientSecret, audience] = [process.env.ISSUER, 'sydney', process.env.CLIENT_SECRET, 'https://sydney.example']`
const HONO = `import { Hono } from 'hono'
const ended = []
const sessions = { find: () => undefined, end: (which) => ended.push(which) }
const log = console
const app = new Hono()`
/**
 * Checks that a request without a token and an empty logout token are rejected, and that the guard
 * learns of revocations.
 */
const SERVED = `if ((await app.request('/api/me')).status !== 401 && (await app.request('/api/me')).status !== 503) throw new Error('not protected')
if ((await app.request('/oidc/backchannel-logout', { method: 'POST', body: new URLSearchParams({ logout_token: 'x' }) })).status < 400) throw new Error('accepted')`

export const SNIPPETS: { page: string; has: string; before: string; after: string }[] = [
  {
    page: 'broker-dev/README.md',
    has: 'startBroker',
    before: '',
    after: `if (!tokens.access_token) throw new Error('no token')\nconsole.log('DONE')`,
  },
  {
    page: 'docs/relying-party.md',
    has: 'openid-client',
    before: `${START}\n${HONO}`,
    after: `await guard.start()\n${SERVED}\nawait guard.stop()\nconsole.log('DONE')`,
  },
  {
    page: 'guard/README.md',
    has: 'createGuard({',
    before: HONO,
    // The issuer is an example's, so nothing is accepted.
    after: `${SERVED}\nawait guard.stop()\nconsole.log('DONE')\nprocess.exit(0)`,
  },
  {
    page: 'guard/README.md',
    has: 'GuardVariables',
    before: `import { Hono } from 'hono'`,
    after: `app.get('/', (c) => c.text(c.get('claims').sub))\nconsole.log('DONE')`,
  },
  {
    page: 'guard/README.md',
    has: 'guard.hold',
    before: `import { createGuard } from '@case-manager/guard'
${START}
const guard = createGuard({ issuer, clientId, clientSecret, audience, onLogout: () => {} })
await guard.start()
const { claims } = await guard.check(process.env.TOKEN)
const closed = []
const [request, socket] = [new Request('http://localhost/'), { close: (code, why) => closed.push(code, why) }]`,
    after: `await guard.stop()\nif (closed.join() !== '4401,stopped') throw new Error(closed.join())\nconsole.log('DONE')`,
  },
  {
    page: 'guard/README.md',
    has: "requireToken(guard, { acr: 'phr'",
    before: `import { Hono } from 'hono'
import { createGuard } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/hono'
${START}
const guard = createGuard({ issuer, clientId, clientSecret, audience })
await guard.start()
const app = new Hono()`,
    after: `const answer = await app.request('/api/sealed/1', { headers: { authorization: 'Bearer ' + process.env.TOKEN } })
await guard.stop()
if (!answer.headers.get('www-authenticate').includes('insufficient_user_authentication')) throw new Error('not demanded')
console.log('DONE')`,
  },
  {
    page: 'guard/README.md',
    has: 'guard.stepUp(',
    before: `import { createGuard } from '@case-manager/guard'
${START}
const guard = createGuard({ issuer, clientId, clientSecret, audience })
const signIn = (more) => JSON.stringify(more)
function open(session) {`,
    after: `}
if (open({ claims: {} }) !== '{"acr_values":"phr","max_age":"300"}') throw new Error('not demanded')
console.log('DONE')`,
  },
  {
    page: 'docs/webhooks.md',
    has: 'standardwebhooks',
    before: '',
    after: `const body = JSON.stringify({ type: 'webhook.test', position: 1, data: {} })
const at = new Date()
const signed = { 'webhook-id': 'm_1', 'webhook-timestamp': String(Math.floor(at.getTime() / 1000)), 'webhook-signature': webhook.sign('m_1', at, body) }
const send = async (headers) => (await fetch('http://127.0.0.1:' + process.env.PORT, { method: 'POST', headers, body })).status
const answers = [await send(signed), await send({ ...signed, 'webhook-id': 'm_2' })]
server.close()
if (answers.join() !== '204,401') throw new Error(answers.join())
console.log('DONE')`,
  },
  {
    page: 'docs/relying-party.md',
    has: 'JwtDecoder',
    before: `import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import java.util.List;
import org.springframework.context.annotation.Bean;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.*;
class Documented {
String issuer, audience;`,
    after: '}',
  },
]

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { GRANT, JWT_BEARER_ASSERTION, TOKEN_TYPE } from '../../src/protocol/names.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, ISSUER } from '../rig.ts'
import { createProver } from './proofs.ts'

/**
 * docs/errors.md against the answers of /token: each row is an answer, and each answer here is a
 * row.
 */

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8')
const ROWS = [...PAGE.matchAll(/^\| `(\w+)` \| (.+?) \| .+ \|$/gm)].map(
  ([, error = '', description = '']) => ({ error, description }),
)
/** A row shows what differs from answer to answer as `…`. */
const isRow = (
  row: (typeof ROWS)[number],
  answer: { error: string; error_description: string },
): boolean =>
  row.error === answer.error &&
  new RegExp(
    `^${row.description.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('…', '.+')}$`,
  ).test(answer.error_description)

const pair = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1' }
const foreign = await generateKeyPair('ES256')

const WRONG = `Basic ${btoa('sydney:wrong')}`

type Form = Record<string, string>

async function registered() {
  const rig = await createRig()
  const sydney = await rig.register('Sydney', { grants: Object.values(GRANT) })
  const other = await rig.register('Other', {
    grants: [GRANT.authorizationCode, GRANT.refreshToken],
    exchangeFrom: ['sydney'],
  })
  await rig.register('Signer', {
    authMethod: 'private_key_jwt',
    jwks: { keys: [jwk] },
    grants: [GRANT.clientCredentials],
  })
  const app = await rig.register('App', { authMethod: 'none' })
  return { rig, sydney, other, app }
}

let jti = 0

/** Returns functions that make the forms of token requests, for a new session. */
async function world({ rig, sydney, other, app }: Awaited<ReturnType<typeof registered>>) {
  const now = rig.clock.now()
  const { session } = await rig.openSession()
  const code = async (client = sydney) => (await rig.issueCode(session.sid, client)).form
  const refreshed = async () => ({
    grant_type: 'refresh_token',
    refresh_token: (await rig.signInAt(session.sid, sydney)).refresh_token ?? '',
  })
  const exchange = async (more: Form = {}): Promise<Form> => {
    const { access_token: token } = await rig.signInAt(session.sid, sydney)
    return {
      grant_type: GRANT.tokenExchange,
      subject_token: token,
      subject_token_type: TOKEN_TYPE.accessToken,
      audience: 'other',
      ...more,
    }
  }
  const post = (form: Form, authorization: string | undefined = sydney.basic) =>
    rig.post('/token', form, authorization === '' ? {} : { authorization })
  /** Refreshes with a DPoP proof. */
  const prove = async (changes: Record<string, unknown>, again?: true) => {
    const dpop = await (await createProver(rig.clock)).prove('POST /token', changes)
    const ask = async () =>
      rig.post('/token', await refreshed(), { authorization: sydney.basic, dpop })
    return again === true ? twice(ask) : ask()
  }
  const sign = (
    claims: Record<string, unknown>,
    header: Record<string, unknown> = {},
    key: CryptoKey = pair.privateKey,
  ) =>
    new SignJWT({
      iss: 'signer',
      sub: 'signer',
      aud: ISSUER,
      jti: `j${jti++}`,
      iat: now,
      exp: now + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', ...header })
      .sign(key)
  const send = (assertion: string) =>
    post(
      {
        grant_type: 'client_credentials',
        client_assertion: assertion,
        client_assertion_type: JWT_BEARER_ASSERTION,
      },
      '',
    )
  const assert = async (...signed: Parameters<typeof sign>) => send(await sign(...signed))
  const end = () =>
    requestRevocation(rig.deps, {
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now,
    })
  return {
    rig,
    now,
    sydney,
    other,
    app,
    session,
    code,
    refreshed,
    exchange,
    post,
    prove,
    sign,
    send,
    assert,
    end,
  }
}
type World = Awaited<ReturnType<typeof world>>
const twice = (work: () => Response | Promise<Response>): Promise<Response> =>
  Promise.resolve(work()).then(work)

const answers: Record<string, (at: World) => Promise<Response> | Response> = {
  'a wrong secret': ({ post }) => post({}, WRONG),
  'no credential': ({ post }) => post({ client_id: 'sydney' }, ''),
  'two credentials': ({ post }) => post({ client_id: 'sydney', client_secret: 'x' }),
  'two clients': ({ post }) => post({ client_id: 'other' }),
  'another type of assertion': ({ post }) =>
    post({ client_assertion: 'x', client_assertion_type: 'saml' }, ''),
  'an assertion by a foreign key': ({ assert }) => assert({}, {}, foreign.privateKey),
  'the typ of an access token': ({ assert }) => assert({}, { typ: 'at+jwt' }),
  'another sub': ({ assert }) => assert({ sub: 'sydney' }),
  'aud is the endpoint': ({ assert }) => assert({ aud: `${ISSUER}/token` }),
  'aud is missing': ({ assert }) => assert({ aud: undefined }),
  'aud is an array': ({ assert }) => assert({ aud: [ISSUER] }),
  'no jti': ({ assert }) => assert({ jti: undefined }),
  'no exp': ({ assert }) => assert({ exp: undefined }),
  'exp is past': ({ assert, now }) => assert({ exp: now - 300 }),
  'exp is far': ({ assert, now }) => assert({ exp: now + 600 }),
  'a time that is text': ({ assert }) => assert({ nbf: 'now' }),
  'a clock ahead': ({ assert, now }) => assert({ iat: now + 300, exp: now + 320 }),
  'a jti again': async ({ sign, send }) => {
    const once = await sign({})
    return twice(() => send(once))
  },
  'no form': ({ rig, sydney }) =>
    rig.app.request(`${ISSUER}/token`, {
      method: 'POST',
      headers: { authorization: sydney.basic },
      body: '{}',
    }),
  'no grant_type': ({ post }) => post({}),
  'a parameter twice': ({ rig, sydney }) =>
    rig.app.request(`${ISSUER}/token`, {
      method: 'POST',
      headers: { authorization: sydney.basic, 'content-type': 'application/x-www-form-urlencoded' },
      body: 'code=a&code=b',
    }),
  'an unknown grant': ({ post }) => post({ grant_type: 'password' }),
  'a grant that is not registered': ({ post, other }) =>
    post({ grant_type: 'client_credentials' }, other.basic),
  'the code of another client': async ({ post, code, other }) => post(await code(other)),
  'a code again': async ({ post, code }) => {
    const form = await code()
    return twice(() => post(form))
  },
  'another redirect_uri': async ({ post, code }) =>
    post({ ...(await code()), redirect_uri: 'https://x.example/' }),
  'another verifier': async ({ post, code }) =>
    post({ ...(await code()), code_verifier: 'x'.repeat(43) }),
  'a code of an ended session': async ({ post, code, end }) => {
    const form = await code()
    await end()
    return post(form)
  },
  'a refresh token of nobody': ({ post }) =>
    post({ grant_type: 'refresh_token', refresh_token: 'x' }),
  'a refresh after the end': async ({ post, refreshed, end }) => {
    const form = await refreshed()
    await end()
    return post(form)
  },
  'more scope': async ({ post, refreshed }) =>
    post({ ...(await refreshed()), scope: 'openid cases:write' }),
  'another resource': async ({ post, refreshed }) =>
    post({ ...(await refreshed()), resource: 'urn:x' }),
  'no access token to exchange': async ({ post, exchange }) =>
    post(await exchange({ subject_token: 'x' })),
  'an exchange after the end': async ({ post, exchange, end }) => {
    const form = await exchange()
    await end()
    return post(form)
  },
  'an exchange for an instance that does not list the client': async ({ post, exchange }) =>
    post(await exchange({ audience: 'app' })),
  'a scope of client_credentials that is not registered': ({ post }) =>
    post({ grant_type: 'client_credentials', scope: 'cases:write' }),
  'a proof for another method': ({ prove }) => prove({ htm: 'GET' }),
  'a proof for another address': ({ prove }) => prove({ htu: `${ISSUER}/par` }),
  'a proof without jti': ({ prove }) => prove({ jti: '' }),
  'a proof from yesterday': ({ prove, now }) => prove({ iat: now - 86_400 }),
  'a proof for tomorrow': ({ prove, now }) => prove({ nbf: now + 86_400 }),
  'a proof again': ({ prove }) => prove({}, true),
  'no proof at all': async ({ rig, sydney, refreshed }) =>
    rig.post('/token', await refreshed(), { authorization: sydney.basic, dpop: 'x' }),
  'no proof by a client that needs one': async ({ rig, post }) => {
    const { basic } = await rig.register('Bound', { dpopBound: true })
    return post({ grant_type: 'refresh_token', refresh_token: 'x' }, basic)
  },
  'a code for another key': async ({ rig, sydney, post }) => {
    const { jkt } = await createProver(rig.clock)
    const { session } = await rig.openSession()
    return post((await rig.issueCode(session.sid, sydney, { jkt })).form)
  },
  'a refresh token for another key': async ({ rig, app, post }) => {
    const { session } = await rig.openSession()
    const { form } = await rig.issueCode(session.sid, app)
    const dpop = await (await createProver(rig.clock)).prove('POST /token')
    const id = { client_id: 'app' }
    const tokens = await rig.post('/token', { ...form, ...id }, { dpop })
    const { refresh_token } = (await tokens.json()) as { refresh_token: string }
    return post({ grant_type: 'refresh_token', refresh_token, ...id }, '')
  },
  'an exchange of a bound token without a proof': async ({ rig, sydney, exchange, code, post }) => {
    const dpop = await (await createProver(rig.clock)).prove('POST /token')
    const bound = await rig.post('/token', await code(), { authorization: sydney.basic, dpop })
    const { access_token } = (await bound.json()) as { access_token: string }
    return post(await exchange({ subject_token: access_token }))
  },
  'too many failures': async ({ post }) => {
    for (let n = 0; n < 200; n++) if ((await post({}, WRONG)).status === 429) break
    return post({}, WRONG)
  },
  // Last, because the clock stays wrong.
  'a wrong clock of the broker': ({ rig, post }) => {
    rig.deps.clockWatch.comparison()(3600)
    return post({})
  },
}

test('docs/errors.md has each answer of /token, and no other', async () => {
  const clients = await registered()
  const seen = new Set<string>()
  const missing: string[] = []
  for (const [name, answered] of Object.entries(answers)) {
    const answer = (await (await answered(await world(clients))).json()) as {
      error: string
      error_description: string
    }
    const row = ROWS.find((each) => isRow(each, answer))
    if (row === undefined)
      missing.push(`${name}: | \`${answer.error}\` | ${answer.error_description} | |`)
    else seen.add(row.description)
  }
  expect(missing).toEqual([])
  expect(
    ROWS.map(({ description }) => description).filter((description) => !seen.has(description)),
  ).toEqual([])
})

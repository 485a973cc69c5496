import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ClientMetadata, Workload } from '../../src/protocol/client-metadata.ts'
import { JWT_BEARER_ASSERTION } from '../../src/protocol/names.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/**
 * A client without a secret: its platform vouches for its workload by a signed token, which the
 * client sends as its assertion until the token expires (RFC 7523 §3).
 */

const CLUSTER = 'https://kubernetes.default.svc.cluster.local'
const SUBJECT = 'system:serviceaccount:case-manager:sydney'
const keys = {
  cluster: await generateKeyPair('RS256', { extractable: true }),
  other: await generateKeyPair('RS256', { extractable: true }),
}
const published = { ...(await exportJWK(keys.cluster.publicKey)), kid: 'cluster-1', use: 'sig' }

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const register = (workload: Workload, more: Partial<ClientMetadata> = {}, name = 'Sydney') =>
  rig.register(name, {
    authMethod: 'workload_jwt',
    workload,
    grants: ['client_credentials'],
    scopes: ['ssf.read'],
    ...more,
  })
const byValue = { jwks: { keys: [published] } }

/** Returns a token as Kubernetes projects it into a pod. */
const tokenOf = (
  claims: Record<string, unknown> = {},
  header = {},
  key = keys.cluster.privateKey,
) =>
  new SignJWT({
    iss: CLUSTER,
    sub: SUBJECT,
    aud: [ISSUER],
    iat: rig.clock.now(),
    nbf: rig.clock.now(),
    exp: rig.clock.now() + 3600,
    'kubernetes.io': { namespace: 'case-manager' },
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256', kid: 'cluster-1', ...header })
    .sign(key)

/** A form for each endpoint that authenticates a client. */
const FORMS: Record<string, Record<string, string>> = {
  '/token': { grant_type: 'client_credentials', scope: 'ssf.read' },
  '/introspect': { token: 'unknown' },
  '/revoke': { token: 'unknown' },
  '/revocations': { guard: 'web-1' },
  '/revocations/clock': { nonce: 'n'.repeat(16) },
}

const ask = async (token: string, path = '/token') => {
  const answer = await rig.app.request(`${ISSUER}${path}`, {
    method: 'POST',
    body: new URLSearchParams({
      ...FORMS[path],
      client_assertion: token,
      client_assertion_type: JWT_BEARER_ASSERTION,
    }),
  })
  const body = path === '/token' ? ((await answer.json()) as Record<string, string>) : {}
  return { status: answer.status, body }
}

describe('a token of the registered workload', () => {
  test('is the client’s credential at every endpoint, again and again until it expires', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue)
    const token = await tokenOf()
    for (const path of Object.keys(FORMS)) expect((await ask(token, path)).status).toBe(200)
    rig.clock.advance(3600)
    expect((await ask(token)).status).toBe(200)
    rig.clock.advance(31)
    const { status, body } = await ask(token)
    expect(status).toBe(401)
    expect(body.error_description).toContain('Its exp is past')
  })

  test('may have one audience of its own, such as the application URI that Entra demands', async () => {
    const audience = 'api://case-manager-broker'
    await register({ issuer: CLUSTER, subject: SUBJECT, audience }, byValue)
    expect((await ask(await tokenOf({ aud: audience }))).status).toBe(200)
    expect((await ask(await tokenOf())).status).toBe(401)
  })

  test('lives an hour at most, and one of a managed identity of Entra a day', async () => {
    const entra = 'https://login.microsoftonline.com/6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11/v2.0'
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue)
    await register({ issuer: entra, subject: 'oid-of-the-identity' }, byValue, 'Perth')
    const now = rig.clock.now()
    const identity = { iss: entra, sub: 'oid-of-the-identity', aud: ISSUER }
    expect((await ask(await tokenOf({ exp: now + 3700 }))).body.error_description).toContain(
      'more than 3600 s ahead',
    )
    expect((await ask(await tokenOf({ ...identity, exp: now + 86_400 }))).status).toBe(200)
    expect((await ask(await tokenOf({ ...identity, exp: now + 86_500 }))).status).toBe(401)
  })

  test.each<[string, Record<string, unknown>]>([
    ['another service account', { sub: 'system:serviceaccount:case-manager:perth' }],
    ['a service account whose name goes on', { sub: `${SUBJECT}-2` }],
    ['another cluster', { iss: 'https://kubernetes.other.example' }],
    ['the cluster by another spelling', { iss: `${CLUSTER}/` }],
    ['another audience', { aud: ['https://vault.example'] }],
    ['our audience beside another', { aud: [ISSUER, 'https://vault.example'] }],
    ['no audience', { aud: undefined }],
    ['no expiry', { exp: undefined }],
    ['not yet valid', { nbf: 2_000_000_000, exp: 2_000_000_100 }],
    ['of the client itself', { iss: 'sydney', sub: 'sydney', jti: 'j', aud: ISSUER }],
  ])('%s: 401', async (_what, claims) => {
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue)
    expect((await ask(await tokenOf(claims))).status).toBe(401)
  })

  test('unsigned, signed by another key, of another type: 401', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue)
    const good = await tokenOf()
    const [, payload] = good.split('.')
    const none = Buffer.from('{"alg":"none","kid":"cluster-1"}').toString('base64url')
    for (const token of [
      `${none}.${payload}.`,
      await tokenOf({}, {}, keys.other.privateKey),
      await tokenOf({}, { kid: 'cluster-2' }),
      await tokenOf({}, { typ: 'at+jwt' }),
      `${good.slice(0, -8)}AAAAAAAA`,
    ])
      expect((await ask(token)).status).toBe(401)
  })
})

describe('the keys of the issuer', () => {
  const answers = (issuer: string, keysNow: () => unknown[]) => {
    const asked: string[] = []
    rig.deps.outbound.request = async (url) => {
      asked.push(url)
      const body = url.endsWith('/.well-known/openid-configuration')
        ? { issuer, jwks_uri: `${CLUSTER}/openid/v1/jwks` }
        : { keys: keysNow() }
      return { status: 200, headers: {}, body: JSON.stringify(body) }
    }
    return asked
  }

  test('are found by its discovery document, kept, and read again for a key that is new', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT })
    const second = { ...(await exportJWK(keys.other.publicKey)), kid: 'cluster-2' }
    let now: unknown[] = [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid: 'unknown' }, published]
    const asked = answers(CLUSTER, () => now)
    expect((await ask(await tokenOf())).status).toBe(200)
    expect((await ask(await tokenOf())).status).toBe(200)
    expect(asked).toEqual([
      `${CLUSTER}/.well-known/openid-configuration`,
      `${CLUSTER}/openid/v1/jwks`,
    ])
    now = [second]
    rig.clock.advance(11)
    const rotated = await tokenOf({}, { kid: 'cluster-2' }, keys.other.privateKey)
    expect((await ask(rotated)).status).toBe(200)
    expect((await ask(await tokenOf())).status).toBe(401)
  })

  test('of a document that names another issuer are not used', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT })
    answers('https://kubernetes.other.example', () => [published])
    expect((await ask(await tokenOf())).status).toBe(401)
  })

  test('an issuer that is down is said in the log, and rejects', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT })
    rig.deps.outbound.request = () => Promise.reject(new Error('connect ECONNREFUSED'))
    expect((await ask(await tokenOf())).status).toBe(401)
    const events = rig.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(events).toContainEqual(
      expect.objectContaining({ event: 'jwks_uri_failed', problem: 'connect ECONNREFUSED' }),
    )
    expect(events).toContainEqual(
      expect.objectContaining({
        event: 'client_rejected',
        client_id: 'sydney',
        problem: expect.stringContaining(`of the issuer ${CLUSTER}`) as string,
      }),
    )
  })
})

test('cmb doctor says whether the broker reads the keys of the issuer', async () => {
  await register({ issuer: CLUSTER, subject: SUBJECT }, { logoutUris: [] })
  const checks = createChecks(rig.deps)
  const found = async () =>
    (await checks.look({ which: ({ id }) => id === 'clients', fresh: true }))[0]
  let issuer = CLUSTER
  rig.deps.outbound.request = async (url) => ({
    status: 200,
    headers: {},
    body: JSON.stringify(
      url.endsWith('configuration')
        ? { issuer, jwks_uri: `${CLUSTER}/openid/v1/jwks` }
        : { keys: [published] },
    ),
  })
  expect(await found()).toMatchObject({
    state: 'ok',
    found: `The broker reads its keys at ${CLUSTER}/openid/v1/jwks.`,
  })
  issuer = 'https://kubernetes.other.example'
  expect(await found()).toMatchObject({
    state: 'failed',
    found: expect.stringContaining(`without a jwks_uri of ${CLUSTER}`) as string,
  })
})

describe('the registration', () => {
  const wire = {
    client_name: 'Sydney',
    grant_types: ['client_credentials'],
    token_endpoint_auth_method: 'workload_jwt',
    workload: { issuer: CLUSTER, subject: SUBJECT },
  }
  const problemsOf = (changes: Record<string, unknown>) => {
    const parsed = parseClientMetadata({ ...wire, ...changes }, { clientId: 'sydney' })
    return parsed.ok ? [] : parsed.problems
  }

  test.each<[string, Record<string, unknown>, number]>([
    ['of a workload', {}, 0],
    ['with the keys of its issuer by value', byValue, 0],
    ['with keys by value and by address', { ...byValue, jwks_uri: 'https://keys.example/' }, 1],
    ['without a workload', { workload: undefined }, 1],
    ['of another method', { token_endpoint_auth_method: 'client_secret_basic' }, 1],
    ['with an issuer that is no address', { workload: { issuer: 'k8s', subject: SUBJECT } }, 1],
    ['with an empty subject', { workload: { issuer: CLUSTER, subject: '' } }, 1],
    ['with a member that does not exist', { workload: { ...wire.workload, tenant: 'x' } }, 1],
  ])('%s: %#', (_what, changes, problems) => {
    expect(problemsOf(changes)).toHaveLength(problems)
  })

  test('two clients of one workload are neither', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue)
    await register({ issuer: CLUSTER, subject: SUBJECT }, byValue, 'Perth')
    expect((await ask(await tokenOf())).status).toBe(401)
  })

  test('the workload of one client is not registered for another by an operator', async () => {
    await register({ issuer: CLUSTER, subject: SUBJECT })
    const { type } = await startCmb(rig)
    const file = join(rig.dir, 'perth.json')
    writeFileSync(file, JSON.stringify({ ...wire, client_name: 'Perth' }))
    expect(await type(['clients', 'add', 'perth', '--metadata', file])).toMatchObject({
      code: 1,
      err: expect.stringContaining('is that of the client sydney') as string,
    })
    expect(await rig.store.findClient('perth')).toBeUndefined()
  })
})

import type { ConfidentialClientApplication } from '@azure/msal-node'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Entra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/people.ts'
import { application, attempt, Browser, control, entra, refreshTokenOf, REDIRECT } from './relying-party.ts'

async function signedIn(at: Entra, upn = 'alice@contoso.example'): Promise<ConfidentialClientApplication> {
  at.world.auto = upn
  const app = await application(at)
  const { url, redeem } = await attempt(app)
  await redeem((await new Browser().open(url)).left)
  return app
}

interface TokenBody {
  error?: string
  error_description?: string
  error_codes?: number[]
  suberror?: string
  claims?: string
  refresh_token?: string
  id_token?: string
  client_info?: string
  access_token?: string
  [other: string]: unknown
}

async function post(at: Entra, form: Record<string, string>, tenant: string = CONTOSO.tid): Promise<{ status: number; body: TokenBody; headers: Headers }> {
  const response = await fetch(`${at.origin}/${tenant}/oauth2/v2.0/token`, { method: 'POST', body: new URLSearchParams({ client_id: APP_CLIENT_ID, client_secret: APP_CLIENT_SECRET, ...form }) })
  return { status: response.status, body: (await response.json()) as TokenBody, headers: response.headers }
}

const refresh = (at: Entra, token: string) => post(at, { grant_type: 'refresh_token', refresh_token: token, scope: 'openid profile offline_access' })

describe('refresh tokens', () => {
  test('msal refreshes silently; the old refresh token stays good', async () => {
    const at = await entra()
    const app = await signedIn(at)
    const before = refreshTokenOf(app)
    const [account] = await app.getTokenCache().getAllAccounts()
    const result = await app.acquireTokenSilent({ account: account!, scopes: ['openid', 'profile'], forceRefresh: true })
    expect(decodeJwt(result.idToken)['oid']).toBe('00000000-0000-4000-8000-00000000a11c')
    const after = refreshTokenOf(app)
    expect(after).not.toBe(before)
    expect((await refresh(at, before)).status).toBe(200)
    expect((await refresh(at, after)).status).toBe(200)
  })

  test('a refresh re-reads roles, keeps auth_time, acrs and sid', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const before = decodeJwt((await refresh(at, token)).body.id_token!)
    await control(at, 'people/alice@contoso.example', { roles: ['CaseManager.Lead'] })
    const after = decodeJwt((await refresh(at, token)).body.id_token!)
    expect(after).toMatchObject({ roles: ['CaseManager.Lead'], auth_time: before['auth_time'], acrs: ['c1'], sid: before['sid'] })
  })

  test.each([
    ['revoked by person or administrator', { revokeSessions: true }, 50173],
    ['account disabled', { accountEnabled: false }, 50057],
    ['account deleted', { deleted: true }, 50034],
    ['password reset by an administrator', { password: 'new', by: 'admin' }, 50173],
    ['no longer assigned to the application', { assigned: false }, 50105],
  ])('die when: %s', async (_cause, patch, code) => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const bystander = refreshTokenOf(await signedIn(at, 'bob@contoso.example'))
    await control(at, 'people/alice@contoso.example', patch)
    const { status, body } = await refresh(at, token)
    expect(status).toBe(400)
    expect(body.error_codes).toEqual([code])
    expect(body.error_description).toMatch(new RegExp(`^AADSTS${code}: .* Trace ID: .* Correlation ID: .* Timestamp: `))
    expect(Object.keys(body)).toEqual(expect.arrayContaining(['trace_id', 'correlation_id', 'timestamp']))
    expect((await refresh(at, bystander)).status).toBe(200)
  })

  test('disabling kills them for good: enabled again, a fresh sign-in is needed', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'people/alice@contoso.example', { accountEnabled: false })
    await control(at, 'people/alice@contoso.example', { accountEnabled: true })
    expect((await refresh(at, token)).body.error_codes).toEqual([50173])
    expect((await refresh(at, refreshTokenOf(await signedIn(at)))).status).toBe(200)
  })

  test('survive a change of password by the person, loss of MFA, and sign-out of Microsoft', async () => {
    const at = await entra()
    const app = await signedIn(at)
    const token = refreshTokenOf(app)
    await control(at, 'people/alice@contoso.example', { password: 'mine', by: 'user', mfa: 'none' })
    await fetch(`${at.origin}/${CONTOSO.tid}/oauth2/v2.0/logout`)
    expect((await refresh(at, token)).status).toBe(200)
  })

  test('a policy that came later wants MFA: invalid_grant 50076 or 50079, with a claims challenge', async () => {
    const at = await entra()
    at.world.switches.boundContexts = []
    const token = refreshTokenOf(await signedIn(at, 'mia@contoso.example'))
    await control(at, 'switches', { requireMfa: 'everybody' })
    const { body } = await refresh(at, token)
    expect(body).toMatchObject({ error: 'invalid_grant', error_codes: [50079], suberror: 'basic_action', claims: expect.stringContaining('access_token') })
  })

  test('consent taken back: 65001; the application gone or disabled in the tenant: 700016, 7000112', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    at.world.personalConsent.clear()
    await control(at, 'switches', { consent: { [CONTOSO.tid]: 'admin' } })
    expect((await refresh(at, token)).body).toMatchObject({ error: 'invalid_grant', error_codes: [65001], suberror: 'consent_required' })
    await control(at, 'switches', { consent: {}, appMissingIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([700016])
    await control(at, 'switches', { appMissingIn: [], appDisabledIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([7000112])
  })

  test('any code by person, and for the next few requests', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'switches', { errorFor: { 'alice@contoso.example': { code: 70043 } } })
    expect((await refresh(at, token)).body).toMatchObject({ error_codes: [70043], suberror: 'token_expired' })
    await control(at, 'switches', { errorFor: {}, tokenErrors: { code: 50196, times: 1 } })
    expect((await refresh(at, token)).body.error_codes).toEqual([50196])
    expect((await refresh(at, token)).status).toBe(200)
  })

  test('without offline_access there is none', async () => {
    const at = await entra()
    at.world.auto = 'alice@contoso.example'
    const url = `${at.origin}/${CONTOSO.tid}/oauth2/v2.0/authorize?${new URLSearchParams({ client_id: APP_CLIENT_ID, response_type: 'code', redirect_uri: REDIRECT, scope: 'openid profile' })}`
    const code = (await new Browser().open(url)).left!.searchParams.get('code')!
    const { body } = await post(at, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT })
    expect(body.id_token).toBeDefined()
    expect(body.refresh_token).toBeUndefined()
    expect(JSON.parse(Buffer.from(body.client_info!, 'base64url').toString())).toEqual({ uid: '00000000-0000-4000-8000-00000000a11c', utid: CONTOSO.tid })
    expect((await post(at, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT })).body.error).toBe('invalid_grant')
  })
})

describe('how the application proves itself', () => {
  test('a wrong secret, an expired one, none, an unknown application', async () => {
    const at = await entra()
    const asApp = { grant_type: 'client_credentials', scope: 'https://graph.microsoft.com/.default' }
    expect(await post(at, { ...asApp, client_secret: 'wrong' })).toMatchObject({ status: 401, body: { error: 'invalid_client', error_codes: [7000215] } })
    expect((await post(at, { ...asApp, client_secret: '' })).body.error_codes).toEqual([7000218])
    expect((await post(at, { ...asApp, client_id: 'other' })).body).toMatchObject({ error: 'unauthorized_client', error_codes: [700016] })
    await control(at, `apps/${APP_CLIENT_ID}`, { secrets: [{ value: APP_CLIENT_SECRET, expiresAt: 1_000 }] })
    expect((await post(at, asApp)).body).toMatchObject({ error: 'invalid_client', error_codes: [7000222] })
  })

  test('a federated token of an issuer that is trusted, through msal; another key is 700027', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256')
    const other = await generateKeyPair('RS256')
    const federated = [{ issuer: 'https://kube.example', subject: 'system:serviceaccount:broker', jwks: { keys: [await exportJWK(publicKey)] } }]
    const at = await entra({ apps: [{ redirectUris: [REDIRECT], federated }] })
    const token = (key: CryptoKey) => new SignJWT({}).setProtectedHeader({ alg: 'RS256' }).setIssuer('https://kube.example').setSubject('system:serviceaccount:broker')
      .setAudience('api://AzureADTokenExchange').setExpirationTime('5m').setIssuedAt().sign(key)
    at.world.auto = 'alice@contoso.example'
    const good = await application(at, CONTOSO.tid, { clientAssertion: () => token(privateKey) })
    const { url, redeem } = await attempt(good)
    expect((await redeem((await new Browser().open(url)).left)).account?.username).toBe('alice@contoso.example')
    const bad = await attempt(await application(at, CONTOSO.tid, { clientAssertion: () => token(other.privateKey) }))
    await expect(bad.redeem((await new Browser().open(bad.url)).left)).rejects.toThrow('AADSTS700027')
  })
})

describe('Microsoft, when it is unwell', () => {
  test('an outage is 503 AADSTS90033, throttling 429 with Retry-After', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'switches', { outage: ['token', 'authorize', 'metadata'] })
    expect(await refresh(at, token)).toMatchObject({ status: 503, body: { error_codes: [90033] } })
    expect((await fetch(`${at.origin}/${CONTOSO.tid}/v2.0/.well-known/openid-configuration`)).status).toBe(503)
    expect((await fetch(`${at.origin}/${CONTOSO.tid}/oauth2/v2.0/authorize`)).status).toBe(503)
    await control(at, 'switches', { outage: [], throttle: { areas: ['token'], retryAfterSeconds: 7 } })
    const throttled = await refresh(at, token)
    expect(throttled.status).toBe(429)
    expect(throttled.headers.get('retry-after')).toBe('7')
    await control(at, 'switches', { throttle: null })
    expect((await refresh(at, token)).status).toBe(200)
  })

  test('keys rotate: new tokens have the new kid, the old key is published until it is dropped', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const before = (await refresh(at, token)).body.id_token!
    await control(at, 'keys', { tid: CONTOSO.tid })
    const after = (await refresh(at, token)).body.id_token!
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid)
    const keys = () => createRemoteJWKSet(new URL(`${at.origin}/${CONTOSO.tid}/discovery/v2.0/keys`))
    await jwtVerify(before, keys())
    await jwtVerify(after, keys())
    await control(at, 'keys', { tid: CONTOSO.tid, dropOld: true })
    await expect(jwtVerify(before, keys())).rejects.toThrow()
  })

  test.each(['signature', 'issuer', 'audience', 'tenant', 'nonce', 'expiry', 'algorithm'] as const)('a token forged in its %s', async (how) => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'switches', { forge: how })
    const idToken = (await refresh(at, token)).body.id_token!
    const verified = jwtVerify(idToken, createRemoteJWKSet(new URL(`${at.origin}/${CONTOSO.tid}/discovery/v2.0/keys`)), { issuer: `${at.origin}/${CONTOSO.tid}/v2.0`, audience: APP_CLIENT_ID })
    if (how === 'tenant' || how === 'nonce') expect((await verified).payload[how === 'tenant' ? 'tid' : 'nonce']).not.toBe(how === 'tenant' ? CONTOSO.tid : 'nonce-1')
    else await expect(verified).rejects.toThrow()
  })

  test('clock skew and left-out claims show in the ID token', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const before = decodeJwt((await refresh(at, token)).body.id_token!)
    await control(at, 'switches', { clockSkewSeconds: 3000, omitClaims: ['sid', 'login_hint', 'email'] })
    const after = decodeJwt((await refresh(at, token)).body.id_token!)
    expect(after.iat! - before.iat!).toBeGreaterThanOrEqual(3000)
    expect(after.exp! - after.iat!).toBeGreaterThanOrEqual(3590)
    for (const name of ['sid', 'login_hint', 'email']) expect(after).not.toHaveProperty(name)
  })
})

import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from 'jose'
import { describe, expect, test } from 'vitest'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'
import { newCertificate } from './certificate.ts'
import {
  application,
  attempt,
  Browser,
  control,
  entra,
  post,
  refresh,
  refreshTokenOf,
  REDIRECT,
  signedIn,
} from './relying-party.ts'

describe('how the application proves itself', () => {
  test('a wrong secret, an expired one, none, an unknown application', async () => {
    const at = await entra()
    const asApp = {
      grant_type: 'client_credentials',
      scope: 'https://graph.microsoft.com/.default',
    }
    expect(await post(at, { ...asApp, client_secret: 'wrong' })).toMatchObject({
      status: 401,
      body: { error: 'invalid_client', error_codes: [7000215] },
    })
    expect((await post(at, { ...asApp, client_secret: '' })).body.error_codes).toEqual([7000218])
    expect((await post(at, { ...asApp, client_id: 'other' })).body).toMatchObject({
      error: 'unauthorized_client',
      error_codes: [700016],
    })
    await control(at, `apps/${APP_CLIENT_ID}`, {
      secrets: [{ value: APP_CLIENT_SECRET, expiresAt: 1_000 }],
    })
    expect((await post(at, asApp)).body).toMatchObject({
      error: 'invalid_client',
      error_codes: [7000222],
    })
  })

  test('a certificate, through msal; an expired one, and one that is not registered, are 700027', async () => {
    const good = newCertificate()
    const old = newCertificate(new Date(Date.now() - 1000))
    const at = await entra({
      apps: [
        {
          redirectUris: [REDIRECT],
          secrets: [],
          certificates: [old.certificate, good.certificate],
        },
      ],
    })
    const scopes = ['https://graph.microsoft.com/.default']
    const as = async (certificate: ReturnType<typeof newCertificate>) =>
      application(at, CONTOSO.tid, {
        clientCertificate: {
          thumbprintSha256: certificate.thumbprintSha256,
          privateKey: certificate.privateKey,
          x5c: certificate.certificate,
        },
      })
    expect(
      (await (await as(good)).acquireTokenByClientCredential({ scopes }))?.accessToken,
    ).toBeDefined()
    for (const bad of [old, newCertificate()])
      await expect((await as(bad)).acquireTokenByClientCredential({ scopes })).rejects.toThrow(
        'AADSTS700027',
      )
  })

  test('a federated token of an issuer that is trusted, through msal; another key is 700027', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256')
    const other = await generateKeyPair('RS256')
    const federated = [
      {
        issuer: 'https://kube.example',
        subject: 'system:serviceaccount:broker',
        jwks: { keys: [await exportJWK(publicKey)] },
      },
    ]
    const at = await entra({ apps: [{ redirectUris: [REDIRECT], federated }] })
    const token = (key: CryptoKey) =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'RS256' })
        .setIssuer('https://kube.example')
        .setSubject('system:serviceaccount:broker')
        .setAudience('api://AzureADTokenExchange')
        .setExpirationTime('5m')
        .setIssuedAt()
        .sign(key)
    at.world.auto = 'alice@contoso.example'
    const good = await application(at, CONTOSO.tid, { clientAssertion: () => token(privateKey) })
    const { url, redeem } = await attempt(good)
    expect((await redeem((await new Browser().get(url)).left)).account?.username).toBe(
      'alice@contoso.example',
    )
    const bad = await attempt(
      await application(at, CONTOSO.tid, { clientAssertion: () => token(other.privateKey) }),
    )
    await expect(bad.redeem((await new Browser().get(bad.url)).left)).rejects.toThrow(
      'AADSTS700027',
    )
  })
})

describe('Microsoft, when it is unwell', () => {
  test('an outage is 503 AADSTS90033, throttling 429 with Retry-After', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'switches', { outage: ['token', 'authorize', 'metadata'] })
    expect(await refresh(at, token)).toMatchObject({ status: 503, body: { error_codes: [90033] } })
    expect(
      (await fetch(`${at.origin}/${CONTOSO.tid}/v2.0/.well-known/openid-configuration`)).status,
    ).toBe(503)
    expect((await fetch(`${at.origin}/${CONTOSO.tid}/oauth2/v2.0/authorize`)).status).toBe(503)
    await control(at, 'switches', {
      outage: [],
      throttle: { areas: ['token'], retryAfterSeconds: 7 },
    })
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
    const keys = () =>
      createRemoteJWKSet(new URL(`${at.origin}/${CONTOSO.tid}/discovery/v2.0/keys`))
    await jwtVerify(before, keys())
    await jwtVerify(after, keys())
    await control(at, 'keys', { tid: CONTOSO.tid, dropOld: true })
    await expect(jwtVerify(before, keys())).rejects.toThrow()
  })
})

import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { APP_CLIENT_ID, CONTOSO } from '../../demo/entra/users.ts'
import {
  Browser,
  control,
  entra,
  LOGOUT_RETURN,
  post,
  refresh,
  refreshTokenOf,
  REDIRECT,
  signedIn,
} from './relying-party.ts'

describe('refresh tokens', () => {
  test('msal refreshes silently; the old refresh token stays valid', async () => {
    const at = await entra()
    const app = await signedIn(at)
    const before = refreshTokenOf(app)
    const [account] = await app.getTokenCache().getAllAccounts()
    const result = await app.acquireTokenSilent({
      account: account!,
      scopes: ['openid', 'profile'],
      forceRefresh: true,
    })
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
    await control(at, 'users/alice@contoso.example', { roles: ['CaseManager.Lead'] })
    const after = decodeJwt((await refresh(at, token)).body.id_token!)
    expect(after).toMatchObject({
      roles: ['CaseManager.Lead'],
      auth_time: before['auth_time'],
      acrs: ['c1'],
      sid: before['sid'],
    })
  })

  test.each([
    ['revoked by user or administrator', { revokeSessions: true }, 50173],
    ['account disabled', { accountEnabled: false }, 50057],
    ['account deleted', { deleted: true }, 50034],
    ['password reset by an administrator', { password: 'new', by: 'admin' }, 50173],
    ['no longer assigned to the application', { assigned: false }, 50105],
  ])('die when: %s', async (_cause, patch, code) => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    const bystander = refreshTokenOf(await signedIn(at, 'bob@contoso.example'))
    await control(at, 'users/alice@contoso.example', patch)
    const { status, body } = await refresh(at, token)
    expect(status).toBe(400)
    expect(body.error_codes).toEqual([code])
    expect(body.error_description).toMatch(
      new RegExp(`^AADSTS${code}: .* Trace ID: .* Correlation ID: .* Timestamp: `),
    )
    expect(Object.keys(body)).toEqual(
      expect.arrayContaining(['trace_id', 'correlation_id', 'timestamp']),
    )
    expect((await refresh(at, bystander)).status).toBe(200)
  })

  test('disabling a user revokes them: once enabled again, the user needs a fresh sign-in', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'users/alice@contoso.example', { accountEnabled: false })
    await control(at, 'users/alice@contoso.example', { accountEnabled: true })
    expect((await refresh(at, token)).body.error_codes).toEqual([50173])
    expect((await refresh(at, refreshTokenOf(await signedIn(at)))).status).toBe(200)
  })

  test('survive a change of password by the user, loss of MFA, and sign-out of Microsoft', async () => {
    const at = await entra()
    const app = await signedIn(at)
    const token = refreshTokenOf(app)
    await control(at, 'users/alice@contoso.example', { password: 'mine', by: 'user', mfa: 'none' })
    await fetch(`${at.origin}/${CONTOSO.tid}/oauth2/v2.0/logout`)
    expect((await refresh(at, token)).status).toBe(200)
  })

  test('a policy that came later wants MFA: invalid_grant 50076 or 50079, with a claims challenge', async () => {
    const at = await entra()
    at.world.switches.boundContexts = []
    const token = refreshTokenOf(await signedIn(at, 'mia@contoso.example'))
    await control(at, 'switches', { requireMfa: 'everybody' })
    const { body } = await refresh(at, token)
    expect(body).toMatchObject({
      error: 'invalid_grant',
      error_codes: [50079],
      suberror: 'basic_action',
      claims: expect.stringContaining('access_token'),
    })
  })

  test('consent taken back: 65001; the application gone or disabled in the tenant: 700016, 7000112', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    at.world.personalConsent.clear()
    await control(at, 'switches', { consent: { [CONTOSO.tid]: 'admin' } })
    expect((await refresh(at, token)).body).toMatchObject({
      error: 'invalid_grant',
      error_codes: [65001],
      suberror: 'consent_required',
    })
    await control(at, 'switches', { consent: {}, appMissingIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([700016])
    await control(at, 'switches', { appMissingIn: [], appDisabledIn: [CONTOSO.tid] })
    expect((await refresh(at, token)).body.error_codes).toEqual([7000112])
  })

  test('any code by user, and for the next few requests', async () => {
    const at = await entra()
    const token = refreshTokenOf(await signedIn(at))
    await control(at, 'switches', { errorFor: { 'alice@contoso.example': { code: 70043 } } })
    expect((await refresh(at, token)).body).toMatchObject({
      error_codes: [70043],
      suberror: 'token_expired',
    })
    await control(at, 'switches', { errorFor: {}, tokenErrors: { code: 50196, times: 1 } })
    expect((await refresh(at, token)).body.error_codes).toEqual([50196])
    expect((await refresh(at, token)).status).toBe(200)
  })

  test('without offline_access there is none', async () => {
    const at = await entra()
    at.world.auto = 'alice@contoso.example'
    const url = `${at.origin}/${CONTOSO.tid}/oauth2/v2.0/authorize?${new URLSearchParams({ client_id: APP_CLIENT_ID, response_type: 'code', redirect_uri: REDIRECT, scope: 'openid profile' })}`
    const code = (await new Browser().get(url)).left!.searchParams.get('code')!
    const { body } = await post(at, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT,
    })
    expect(body.id_token).toBeDefined()
    expect(body.refresh_token).toBeUndefined()
    expect(JSON.parse(Buffer.from(body.client_info!, 'base64url').toString())).toEqual({
      uid: '00000000-0000-4000-8000-00000000a11c',
      utid: CONTOSO.tid,
    })
  })

  test('a code twice: 54005; with another address: 500112; without its verifier: 501481; an invented one: 70000', async () => {
    const at = await entra()
    at.world.auto = 'alice@contoso.example'
    const challenge = createHash('sha256').update('v'.repeat(43)).digest('base64url')
    const url = (extra: Record<string, string>) =>
      `${at.origin}/${CONTOSO.tid}/oauth2/v2.0/authorize?${new URLSearchParams({ client_id: APP_CLIENT_ID, response_type: 'code', redirect_uri: REDIRECT, scope: 'openid', ...extra })}`
    const codeOf = async (extra: Record<string, string> = {}) =>
      (await new Browser().get(url(extra))).left!.searchParams.get('code')!
    const redeem = (code: string, redirectUri = REDIRECT) =>
      post(at, { grant_type: 'authorization_code', code, redirect_uri: redirectUri })
    const code = await codeOf()
    expect((await redeem(code)).status).toBe(200)
    expect((await redeem(code)).body).toMatchObject({
      error: 'invalid_grant',
      error_codes: [54005],
    })
    expect((await redeem(await codeOf(), LOGOUT_RETURN)).body.error_codes).toEqual([500112])
    expect(
      (await redeem(await codeOf({ code_challenge: challenge, code_challenge_method: 'S256' })))
        .body.error_codes,
    ).toEqual([501481])
    expect((await redeem('invented')).body.error_codes).toEqual([70000])
  })
})

import { createRemoteJWKSet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { APP_CLIENT_ID, CONTOSO } from '../../demo/entra/people.ts'
import { application, attempt, Browser, entra, REDIRECT } from './relying-party.ts'

describe('sign-in with msal-node', () => {
  test('in auto mode an authorization completes without a page, with Entra v2.0 claims', async () => {
    const at = await entra()
    at.world.auto = 'alice@contoso.example'
    const app = await application(at)
    const { url, redeem } = await attempt(app)
    const page = await new Browser().open(url)
    expect(page.left?.href.startsWith(REDIRECT)).toBe(true)
    expect(page.left?.searchParams.get('state')).toBe('state-1')
    const result = await redeem(page.left)
    const { payload, protectedHeader } = await jwtVerify(result.idToken, createRemoteJWKSet(new URL(`${at.origin}/${CONTOSO.tid}/discovery/v2.0/keys`)), {
      issuer: `${at.origin}/${CONTOSO.tid}/v2.0`, audience: APP_CLIENT_ID,
    })
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({
      tid: CONTOSO.tid, oid: '00000000-0000-4000-8000-00000000a11c', ver: '2.0', nonce: 'nonce-1', preferred_username: 'alice@contoso.example', acrs: ['c1'],
      roles: ['CaseManager.User'], auth_time: expect.any(Number), sid: expect.any(String), login_hint: expect.any(String), uti: expect.any(String),
    })
    expect(payload.sub).not.toBe(payload['oid'])
    expect(payload).not.toHaveProperty('amr')
    expect(payload).not.toHaveProperty('signin_state')
    expect(result.account?.homeAccountId).toBe(`${String(payload['oid'])}.${CONTOSO.tid}`)
  })
})

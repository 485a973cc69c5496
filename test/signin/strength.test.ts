import { describe, expect, test } from 'vitest'
import { ACR_MFA } from '../../src/protocol/names.ts'
import { ACR_PHISHING_RESISTANT } from '../../src/protocol/strength.ts'
import type { Browser } from '../browser.ts'
import { claimsOf } from '../token/tokens.ts'
import {
  createRig,
  ISSUER,
  OTHER_TENANT,
  type RegisteredClient,
  type Rig,
  TENANT,
  VERIFIER,
} from '../rig.ts'
import { authorizePath, createBrowser, delivered, location, signIn } from './browser.ts'

/**
 * Phishing-resistant sign-in by a tenant's authentication context (RFC 9470, OpenID Connect Core
 * 1.0 §3.1.2.1, OpenID Connect EAP ACR Values 1.0).
 */

const PROOF = 'auth_context:c1,phr:c5'
const STRONG = { acr_values: ACR_PHISHING_RESISTANT }
const WITHIN = { ...STRONG, max_age: '300' }

async function arrive({ proof = PROOF, asserted = true, tid = TENANT } = {}) {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  await rig.store.putTenant({ tid, mfaProof: proof, connectedAt: rig.clock.now() })
  if (asserted)
    await rig.store.changeTenant({
      tid,
      change: { proofAssertedBy: 'Adam', proofAssertedAt: rig.clock.now() },
    })
  return { rig, client, browser: createBrowser(rig) }
}

/** Microsoft answers with the context that it was asked for, as it does where a policy is met. */
function answersWhatIsAsked(rig: Rig): void {
  const start = rig.microsoft.authorizeUrl.bind(rig.microsoft)
  rig.microsoft.authorizeUrl = (asked) => {
    Object.assign(rig.microsoft.next, { acrs: [asked.authContext] })
    return start(asked)
  }
}

async function tokens(rig: Rig, client: RegisteredClient, form: Record<string, string>) {
  const response = await rig.post('/token', form, { authorization: client.basic })
  const answer = (await response.json()) as Record<
    'access_token' | 'id_token' | 'refresh_token',
    string
  >
  return {
    ...answer,
    claims: [claimsOf(answer.id_token), claimsOf(answer.access_token)].map(
      ({ acr, amr, auth_time: authTime }) => ({ acr, amr, authTime }),
    ),
  }
}
const redeem = (rig: Rig, client: RegisteredClient, code = '') =>
  tokens(rig, client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: client.metadata.redirectUris[0] ?? '',
    code_verifier: VERIFIER,
  })
const silently = async (client: RegisteredClient, browser: Browser, demand: object) =>
  delivered(await browser.get(authorizePath(client, { ...demand, prompt: 'none' })))

describe('a demand for a phishing-resistant proof', () => {
  test('“at most five minutes old” is asked of Microsoft once, and not again within five minutes', async () => {
    const { rig, client, browser } = await arrive()
    answersWhatIsAsked(rig)
    await signIn(rig, browser, authorizePath(client))
    expect(await silently(client, browser, STRONG)).toMatchObject({ error: 'login_required' })
    const { code } = delivered(await signIn(rig, browser, authorizePath(client, WITHIN)))
    expect(rig.microsoft.started.at(-1)).toMatchObject({
      authContext: 'c5',
      prompt: 'login',
      loginHint: 'O.hint',
    })
    const provedAt = rig.clock.now()
    const proved = { acr: 'phr', amr: ['mfa'], authTime: provedAt }
    expect((await redeem(rig, client, code)).claims).toEqual([proved, proved])
    rig.clock.advance(300)
    expect(await silently(client, browser, WITHIN)).toHaveProperty('code')
    rig.clock.advance(1)
    expect(await silently(client, browser, WITHIN)).toMatchObject({ error: 'login_required' })
    expect(await silently(client, browser, STRONG)).toHaveProperty('code')
    expect(rig.microsoft.started).toHaveLength(2)
  })

  test('is met by a session that proved it, as a weaker demand is, and a weaker sign-in lowers it', async () => {
    const { rig, client, browser } = await arrive()
    answersWhatIsAsked(rig)
    const demands = [STRONG, { acr_values: ACR_MFA }, { acr_values: `phr ${ACR_MFA}` }, {}]
    await signIn(rig, browser, authorizePath(client))
    await signIn(rig, browser, authorizePath(client, STRONG))
    for (const demand of demands)
      expect(await silently(client, browser, demand)).toHaveProperty('code')
    rig.clock.advance(60)
    const weaker = delivered(await signIn(rig, browser, authorizePath(client, { prompt: 'login' })))
    const { claims, refresh_token: refreshToken } = await redeem(rig, client, weaker.code)
    const mfa = { acr: ACR_MFA, amr: ['mfa'], authTime: rig.clock.now() }
    expect(claims).toEqual([mfa, mfa])
    expect(await silently(client, browser, STRONG)).toMatchObject({ error: 'login_required' })
    const refresh = { grant_type: 'refresh_token', refresh_token: refreshToken, scope: 'openid' }
    expect((await tokens(rig, client, refresh)).claims).toEqual([mfa, mfa])
  })

  test('counts no context that the visit did not ask for', async () => {
    const { rig, client, browser } = await arrive()
    rig.microsoft.next = { acrs: ['c1', 'c5'] }
    const { code } = delivered(await signIn(rig, browser, authorizePath(client)))
    expect((await redeem(rig, client, code)).claims[0]).toMatchObject({ acr: ACR_MFA })
  })

  test('of an older authentication than the session’s keeps the time of that authentication', async () => {
    const { rig, client, browser } = await arrive()
    answersWhatIsAsked(rig)
    await signIn(rig, browser, authorizePath(client))
    const before = rig.clock.now() - 1000
    rig.microsoft.next = { authTime: before }
    const { code } = delivered(await signIn(rig, browser, authorizePath(client, STRONG)))
    expect((await redeem(rig, client, code)).claims[0]).toMatchObject({
      acr: 'phr',
      authTime: before,
    })
    expect(await silently(client, browser, WITHIN)).toMatchObject({ error: 'login_required' })
  })

  const impossible: [string, Parameters<typeof arrive>[0]][] = [
    ['names no context for it', { proof: 'auth_context:c1' }],
    ['has not asserted that a policy is bound to its context', { asserted: false }],
  ]
  test.each(impossible)(
    'ends with unmet_authentication_requirements where the tenant %s, and a signed-in user is not sent to Microsoft for nothing',
    async (_, options) => {
      const { rig, client, browser } = await arrive(options)
      rig.microsoft.next = { acrs: ['c1', 'c5'] }
      const unmet = { error: 'unmet_authentication_requirements', state: 'state-1', iss: ISSUER }
      expect(delivered(await signIn(rig, browser, authorizePath(client, STRONG)))).toMatchObject(
        unmet,
      )
      expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
      await signIn(rig, browser, authorizePath(client))
      const visits = rig.microsoft.started.length
      expect(delivered(await browser.get(authorizePath(client, WITHIN)))).toMatchObject(unmet)
      expect(rig.microsoft.started).toHaveLength(visits)
      for (const other of [{ prompt: 'select_account' }, { login_hint: 'bob@contoso.example' }])
        expect((await browser.get(authorizePath(client, { ...WITHIN, ...other }))).status).toBe(200)
    },
  )

  test('asks again, once, for the context of the user’s own tenant', async () => {
    const { rig, client, browser } = await arrive({ tid: OTHER_TENANT })
    answersWhatIsAsked(rig)
    const user = { tid: OTHER_TENANT, oid: 'user-of-the-other-tenant', name: 'Faye' }
    rig.microsoft.next = { user }
    const again = location(await signIn(rig, browser, authorizePath(client, STRONG)))
    expect(again.host).toBe('login.microsoftonline.com')
    expect(rig.microsoft.started.at(-1)).toMatchObject({ authContext: 'c5', tid: OTHER_TENANT })
    const state = again.searchParams.get('state') ?? ''
    const back = await browser.get(`/signin/callback?${new URLSearchParams({ code: 'c', state })}`)
    expect(delivered(back)).toHaveProperty('code')
  })

  test('ends with an error where Microsoft did not meet the context', async () => {
    const { rig, client, browser } = await arrive()
    await signIn(rig, browser, authorizePath(client))
    expect(delivered(await signIn(rig, browser, authorizePath(client, STRONG)))).toMatchObject({
      error: 'unmet_authentication_requirements',
    })
    expect(rig.microsoft.started).toHaveLength(2)
  })
})

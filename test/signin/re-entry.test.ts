import { describe, expect, test } from 'vitest'
import type { Graph } from '../../src/microsoft/interface.ts'
import { doMicrosoftWork } from '../../src/signals/received/microsoft-work.ts'
import { sweepExpired, applyLimits } from '../../workers/expiry.ts'
import { createRig, type Rig, TENANT, VERIFIER } from '../rig.ts'
import {
  atMicrosoft,
  authorizePath,
  createBrowser,
  delivered,
  location,
  signIn,
} from './browser.ts'

/**
 * Periodic re-entry: how old the user's authentication at Microsoft may be. Over HTTP; Microsoft
 * and the clock are stood in for.
 */

const HOUR = 3600

async function limited(most: number | undefined, metadata: Parameters<Rig['register']>[1] = {}) {
  const rig = await createRig()
  rig.config.sessionRules.maxAuthenticationSeconds = most
  const [sydney, melbourne] = [
    await rig.register('Sydney', metadata),
    await rig.register('Melbourne'),
  ]
  const browser = createBrowser(rig)
  const answered = async (path: string) => delivered(await signIn(rig, browser, path))
  const redeem = async (client: typeof sydney, { code = '' }: Record<string, string>) => {
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: client.metadata.redirectUris[0] ?? '',
      code_verifier: VERIFIER,
    }
    return (await (
      await rig.post('/token', form, { authorization: client.basic })
    ).json()) as Tokens
  }
  const refresh = async (client: typeof sydney, { refresh_token = '' }: Tokens) => {
    const response = await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token },
      { authorization: client.basic },
    )
    return (await response.json()) as Tokens
  }
  const callback = (from: URL) =>
    `/signin/callback?${new URLSearchParams({ code: 'c', state: from.searchParams.get('state') ?? '' })}`
  const reasons = async () =>
    (await rig.store.listRevocations({ limit: 20 })).map(
      ({ reason, selector }) => `${selector.kind} ${reason}`,
    )
  return { rig, sydney, melbourne, browser, answered, redeem, refresh, callback, reasons }
}
type Tokens = {
  refresh_token?: string
  access_token?: string
  expires_in?: number
  error?: string
  error_description?: string
}

describe('BROKER_MAX_AUTHENTICATION_AGE', () => {
  test('the first visit sends max_age; an older authentication leads to one more visit, with prompt=login, and no third', async () => {
    const { rig, sydney, browser, callback } = await limited(8 * HOUR)
    rig.microsoft.next = { authTime: rig.clock.now() - 8 * HOUR }
    const again = location(await signIn(rig, browser, authorizePath(sydney)))
    expect(
      rig.microsoft.started.map(({ prompt, maxAgeSeconds }) => [prompt, maxAgeSeconds]),
    ).toEqual([
      ['select_account', 8 * HOUR],
      ['login', undefined],
    ])
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
    const stale = await browser.get(callback(again))
    expect([stale.status, rig.microsoft.started.length]).toEqual([403, 2])
    expect(stale.text).toContain('Please sign in again')
    const fresh = location(await signIn(rig, browser, authorizePath(sydney)))
    rig.microsoft.next = {}
    expect(delivered(await browser.get(callback(fresh)))).toHaveProperty('code')
  })

  test('one that is young enough needs no second visit, and its age counts: the session and its tokens end with it', async () => {
    const { rig, sydney, answered, redeem, refresh, reasons } = await limited(8 * HOUR)
    rig.microsoft.next = { authTime: rig.clock.now() - 7 * HOUR }
    const tokens = await redeem(sydney, await answered(authorizePath(sydney)))
    expect(rig.microsoft.started).toHaveLength(1)
    rig.clock.advance(HOUR - 60)
    const last = await refresh(sydney, tokens)
    expect(last.expires_in).toBe(60)
    rig.clock.advance(60)
    expect(await refresh(sydney, last)).toMatchObject({ error: 'invalid_grant' })
    await sweepExpired(rig.deps)
    expect(await reasons()).toEqual(['session expired'])
  })

  test('an ID token without auth_time is rejected after one more visit', async () => {
    const { rig, sydney, browser, callback } = await limited(8 * HOUR)
    rig.microsoft.next = { authTime: undefined }
    const again = location(await signIn(rig, browser, authorizePath(sydney)))
    expect((await browser.get(callback(again))).status).toBe(403)
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(0)
  })

  test('a tenant’s own limit counts beside it, the lower of the two; a new one ends sessions that are open already', async () => {
    const { rig, sydney, answered, reasons } = await limited(8 * HOUR)
    await rig.store.putTenant({
      tid: TENANT,
      mfaProof: 'auth_context:c1',
      connectedAt: rig.clock.now(),
      maxAuthenticationSeconds: 9 * HOUR,
    })
    rig.microsoft.next = { authTime: rig.clock.now() - 2 * HOUR }
    await answered(authorizePath(sydney))
    rig.clock.advance(60)
    await applyLimits(rig.deps)
    await sweepExpired(rig.deps)
    expect(await reasons()).toEqual([])
    await rig.store.changeTenant({ tid: TENANT, change: { maxAuthenticationSeconds: 2 * HOUR } })
    await applyLimits(rig.deps)
    await sweepExpired(rig.deps)
    expect(await reasons()).toEqual(['session expired'])
  })
})

describe('max_authentication_age of a client', () => {
  test('its grant ends and the session stays; the next sign-in there asks Microsoft, and prompt=none is answered login_required', async () => {
    const { rig, sydney, melbourne, browser, answered, redeem, refresh, reasons } = await limited(
      undefined,
      { maxAuthenticationSeconds: HOUR },
    )
    const tokens = await redeem(sydney, await answered(authorizePath(sydney)))
    const other = await redeem(melbourne, delivered(await browser.get(authorizePath(melbourne))))
    rig.clock.advance(HOUR - 100)
    const last = await refresh(sydney, tokens)
    expect(last.expires_in).toBe(100)
    rig.clock.advance(100)
    expect(await refresh(sydney, last)).toMatchObject({
      error: 'invalid_grant',
      error_description: expect.stringContaining('max_authentication_age') as string,
    })
    await sweepExpired(rig.deps)
    expect(await reasons()).toEqual(['grant expired'])
    expect(await refresh(melbourne, other)).toHaveProperty('access_token')
    expect(delivered(await browser.get(authorizePath(sydney, { prompt: 'none' })))).toMatchObject({
      error: 'login_required',
    })
    await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    expect(rig.microsoft.started.at(-1)).toMatchObject({ maxAgeSeconds: HOUR })
    const again = await redeem(sydney, await answered(authorizePath(sydney)))
    expect(await refresh(sydney, again)).toHaveProperty('access_token')
    expect(await rig.store.liveSessionCount(rig.clock.now())).toBe(1)
  })

  test('introspection of a refresh token says until when, and then that it is not active', async () => {
    const { rig, sydney, answered, redeem } = await limited(undefined, {
      maxAuthenticationSeconds: HOUR,
    })
    const { refresh_token: token = '' } = await redeem(
      sydney,
      await answered(authorizePath(sydney)),
    )
    const introspect = async () =>
      (await rig.post('/introspect', { token }, { authorization: sydney.basic })).json()
    expect(await introspect()).toMatchObject({ active: true, exp: rig.clock.now() + HOUR })
    rig.clock.advance(HOUR)
    expect(await introspect()).toEqual({ active: false })
  })

  test('neither an exchange for it nor one by it gets a token from an older authentication', async () => {
    const { rig, melbourne, answered, redeem } = await limited(undefined)
    const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
    const strict = await rig.register('Strict', {
      exchangeFrom: ['melbourne'],
      maxAuthenticationSeconds: HOUR,
    })
    const caller = await rig.register('Melbourne', {
      grants: [...melbourne.metadata.grants, exchange],
    })
    rig.microsoft.next = { authTime: rig.clock.now() - HOUR - 1 }
    const { access_token: token = '' } = await redeem(caller, await answered(authorizePath(caller)))
    const form = {
      grant_type: exchange,
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: strict.clientId,
    }
    const response = await rig.post('/token', form, { authorization: caller.basic })
    expect(await response.json()).toMatchObject({ error: 'interaction_required' })
  })
})

describe('a password change', () => {
  test('during the sign-in itself leaves that session, and ends one that was signed in before', async () => {
    const { rig, sydney, browser } = await limited(undefined)
    rig.config.signals.graph.tenants = 'all'
    const earlier = await rig.openSession()
    rig.clock.advance(60)
    const back = await atMicrosoft(rig, browser, await browser.get(authorizePath(sydney)))
    const authTime = rig.clock.now() + 5
    rig.clock.advance(10)
    const passwordChangedAt = rig.clock.now()
    rig.clock.advance(10)
    rig.microsoft.next = { authTime }
    expect(delivered(await browser.get(back))).toHaveProperty('code')
    const { tid, oid } = rig.microsoft.user
    const user: Graph['user'] = async () => ({
      state: 'there',
      enabled: true,
      sessionsValidFrom: undefined,
      passwordChangedAt,
    })
    rig.microsoft.graph = { ...rig.microsoft.graph, user }
    await doMicrosoftWork(rig.deps, { kind: 'check_user', tid, oid })
    const [ended] = await rig.store.listRevocations({ limit: 10 })
    expect(ended).toMatchObject({
      selector: { kind: 'session', sid: earlier.session.sid },
      reason: 'microsoft_password_changed',
    })
    expect(await rig.store.liveSessionsOf(earlier.session.sub, rig.clock.now())).toHaveLength(1)
  })
})

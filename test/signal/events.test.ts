import { describe, expect, test } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { signalIssuerChecks } from '../../src/operations/checks/signal-issuers.ts'
import type { SignalIssuer } from '../../src/config/config.ts'
import { type Broker as Transmitter, makeKey, startBroker } from '../guard/stand-in.ts'
import { createRig, ISSUER, OTHER_TENANT, TENANT } from '../rig.ts'
import { signalsOf } from './signals-of.ts'

/**
 * Security events pushed by a configured issuer, and logout tokens of an upstream provider: signed
 * by the keys of another system, over HTTP.
 */

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
const OID = '00000000-0000-4000-8000-00000000a11c'
const ALICE = { format: 'tid_oid', tid: TENANT, oid: OID }

async function world(changes: Partial<SignalIssuer> = {}) {
  const transmitter = await startBroker()
  const issuer: SignalIssuer = {
    issuer: transmitter.issuer,
    kind: 'secevent',
    jwksUri: `${transmitter.issuer}/jwks`,
    audience: ISSUER,
    subject: 'tid_oid',
    tenants: undefined,
    ...changes,
  }
  const rig = await createRig({ config: { signals: signalsOf([issuer]) } })
  const sydney = await rig.register('Sydney')
  const open = async (user = {}, changes: { authTime?: number } = {}) => {
    const { session } = await rig.openSession({ user, microsoftSid: 'm-1', ...changes })
    const { refresh_token: token = '' } = await rig.signInAt(session.sid, sydney)
    const refresh = async () =>
      (
        await rig.post(
          '/token',
          { grant_type: 'refresh_token', refresh_token: token },
          { authorization: sydney.basic },
        )
      ).status
    return { session, refresh }
  }
  const push = (token: string, type = 'application/secevent+jwt') =>
    rig.app.request(`${ISSUER}/signal/events`, {
      method: 'POST',
      headers: { 'content-type': type, accept: 'application/json' },
      body: token,
    })
  const logout = (token: string) =>
    rig.post('/signal/upstream/back-channel-logout', { logout_token: token })
  return { rig, transmitter, open, push, logout }
}

function set(
  from: Transmitter,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key = from.keys[0],
): Promise<string> {
  return from.logoutToken(
    { aud: ISSUER, exp: undefined, rev: undefined, sid: undefined, ...claims },
    { typ: 'secevent+jwt', ...header },
    key,
  )
}

const event = (type: string, payload: Record<string, unknown> = {}) => ({
  events: { [type]: payload },
  sub_id: ALICE,
})

describe('a transmitter that has to send something (SSF 1.0 §8.1.4)', () => {
  const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
  const verification = {
    events: { [VERIFICATION]: {} },
    sub_id: { format: 'opaque', id: 'stream-1' },
  }

  test('its missed verification is a failed check; a verification event ends nothing, and an event counts as well', async () => {
    const { rig, transmitter, open, push } = await world({ maxSilenceSeconds: 600 })
    const alice = await open()
    const checks = createChecks(rig.deps, signalIssuerChecks)
    const state = async () => (await checks.look({ fresh: true }))[0]
    // The transmitter has as long for its first event as between two events.
    rig.clock.advance(599)
    expect(await state()).toMatchObject({ about: transmitter.issuer, state: 'unknown' })
    rig.clock.advance(1)
    expect(await state()).toMatchObject({
      about: transmitter.issuer,
      state: 'failed',
      found: expect.stringContaining('for 600 s') as string,
    })
    expect((await push('not a token')).status).toBe(400)
    expect(await state()).toMatchObject({ state: 'failed' })
    expect((await push(await set(transmitter, verification))).status).toBe(202)
    expect(await alice.refresh()).toBe(200)
    expect(await state()).toMatchObject({ state: 'ok' })
    rig.clock.advance(600)
    expect(await state()).toMatchObject({ state: 'ok' })
    rig.clock.advance(601)
    expect(await state()).toMatchObject({ state: 'failed' })
    const now = rig.clock.now()
    expect(
      (
        await push(
          await set(transmitter, { ...event(`${CAEP}session-revoked`), iat: now, jti: 'second' }),
        )
      ).status,
    ).toBe(202)
    expect(await state()).toMatchObject({ state: 'ok' })
  })
})

describe('security events (RFC 8417, pushed by RFC 8935)', () => {
  test.each([
    ['session-revoked', event(`${CAEP}session-revoked`), 'security_event'],
    [
      'credential-change',
      event(`${CAEP}credential-change`, { change_type: 'revoke', credential_type: 'password' }),
      'security_event',
    ],
    [
      'assurance-level-change',
      event(`${CAEP}assurance-level-change`, { change_direction: 'decrease' }),
      'mfa_lapsed',
    ],
    ['account-disabled', event(`${RISC}account-disabled`), 'security_event'],
    ['account-purged', event(`${RISC}account-purged`), 'security_event'],
    [
      'with its subject inside the event, as older ones have it',
      { events: { [`${CAEP}session-revoked`]: { subject: ALICE } } },
      'security_event',
    ],
  ])(
    '%s: 202, and the user is rejected at the next refresh; the same again changes nothing',
    async (_type, claims, reason) => {
      const { rig, transmitter, open, push } = await world()
      const alice = await open()
      const bob = await open({ oid: '00000000-0000-4000-8000-00000000b0b0' })
      const token = await set(transmitter, claims)
      const answer = await push(token)
      expect(answer.status).toBe(202)
      expect(await answer.text()).toBe('')
      expect(await alice.refresh()).toBe(400)
      expect(await bob.refresh()).toBe(200)
      const head = await rig.store.head()
      expect((await rig.store.findRevocation(head.seq))?.reason).toBe(reason)
      const again = await Promise.all([push(token), push(token)])
      expect(again.map(({ status }) => status)).toEqual([202, 202])
      expect(await rig.store.head()).toEqual(head)
    },
  )

  test('an event ends only sessions authenticated before it, in whatever order events come', async () => {
    const { rig, transmitter, open, push } = await world()
    const before = await open()
    rig.clock.advance(60)
    transmitter.clock.advance(60)
    const after = await open()
    const old = event(`${CAEP}session-revoked`, { event_timestamp: rig.clock.now() - 30 })
    expect((await push(await set(transmitter, old))).status).toBe(202)
    expect([await before.refresh(), await after.refresh()]).toEqual([400, 200])
    expect(
      (
        await push(
          await set(transmitter, { ...event(`${CAEP}session-revoked`), iat: rig.clock.now() - 30 }),
        )
      ).status,
    ).toBe(202)
    expect(await after.refresh()).toBe(200)
    expect(
      (
        await push(
          await set(
            transmitter,
            event(`${CAEP}session-revoked`, { event_timestamp: rig.clock.now() * 1000 }),
          ),
        )
      ).status,
    ).toBe(202)
    expect(await after.refresh()).toBe(400)
  })

  test('an event that comes a second time ends nothing: a user who came back by single sign-on has an authentication older than the event', async () => {
    const { rig, transmitter, open, push } = await world()
    const before = await open()
    const token = await set(transmitter, event(`${CAEP}session-revoked`))
    expect((await push(token)).status).toBe(202)
    expect(await before.refresh()).toBe(400)
    rig.clock.advance(60)
    const back = await open({}, { authTime: before.session.authTime - 600 })
    expect((await push(token)).status).toBe(202)
    expect(await back.refresh()).toBe(200)
  })

  test('an event time later than the issue of its token is replaced by the time of issue', async () => {
    const { rig, transmitter, open, push } = await world()
    const ahead = await set(
      transmitter,
      event(`${CAEP}session-revoked`, { event_timestamp: rig.clock.now() + 86_400 }),
    )
    rig.clock.advance(60)
    const after = await open()
    expect((await push(ahead)).status).toBe(202)
    expect(await after.refresh()).toBe(200)
  })

  test('one session of ours alone, where the event names it', async () => {
    const { transmitter, open, push } = await world()
    const [desk, phone] = [await open(), await open()]
    const subject = {
      format: 'complex',
      user: ALICE,
      session: { format: 'opaque', id: desk.session.sid },
    }
    await push(await set(transmitter, { ...event(`${CAEP}session-revoked`), sub_id: subject }))
    expect([await desk.refresh(), await phone.refresh()]).toEqual([400, 200])
  })

  test.each<[SignalIssuer['subject'], (sub: string) => Record<string, unknown>]>([
    ['opaque', (sub) => ({ format: 'opaque', id: sub })],
    ['iss_sub', (sub) => ({ format: 'iss_sub', iss: ISSUER, sub })],
    [
      'iss_sub',
      () => ({
        format: 'iss_sub',
        iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
        sub: OID,
      }),
    ],
    [
      'tid_oid',
      () => ({
        format: 'complex',
        tenant: { format: 'opaque', id: TENANT },
        user: { format: 'opaque', id: OID },
      }),
    ],
  ])('users are named as the issuer is configured: %s', async (subject, identifier) => {
    const { transmitter, open, push } = await world({ subject })
    const alice = await open()
    await push(
      await set(transmitter, {
        ...event(`${CAEP}session-revoked`),
        sub_id: identifier(alice.session.sub),
      }),
    )
    expect(await alice.refresh()).toBe(400)
  })

  const here = (sub: string) => ({ format: 'iss_sub', iss: ISSUER, sub })
  const atMicrosoft = {
    format: 'iss_sub',
    iss: `https://login.microsoftonline.com/${TENANT}/v2.0`,
    sub: OID,
  }
  const mail = { format: 'email', email: 'bob@contoso.example' }
  test.each<[string, (sub: string) => unknown]>([
    ['one', (sub) => [here(sub)]],
    ['the same user twice', (sub) => [here(sub), atMicrosoft]],
    ['an address beside it, by which the broker finds no user', (sub) => [mail, here(sub)]],
  ])('aliases name a user (RFC 9493 §3.2.8): %s', async (_what, identifiers) => {
    const { transmitter, open, push } = await world({ subject: 'iss_sub' })
    for (const shape of [(user: object) => user, (user: object) => ({ format: 'complex', user })]) {
      const alice = await open()
      const subject = shape({ format: 'aliases', identifiers: identifiers(alice.session.sub) })
      await push(await set(transmitter, { ...event(`${CAEP}session-revoked`), sub_id: subject }))
      expect(await alice.refresh()).toBe(400)
    }
  })

  test.each<[string, (sub: string) => unknown]>([
    ['another user too', (sub) => [here(sub), here('u_bob')]],
    [
      'another user by another identifier',
      (sub) => [here(sub), { ...atMicrosoft, sub: 'unknown' }],
    ],
    ['an address alone', () => [mail]],
    ['none', () => []],
    ['no list', (sub) => here(sub)],
    ['what is no identifier', (sub) => [here(sub), 7]],
    ['an identifier without a format', (sub) => [here(sub), { iss: ISSUER, sub }]],
    [
      'a format that the broker does not read',
      (sub) => [here(sub), { format: 'did', url: 'did:example:1' }],
    ],
    ['aliases within', (sub) => [here(sub), { format: 'aliases', identifiers: [here(sub)] }]],
    ['a complex subject within', (sub) => [{ format: 'complex', user: here(sub) }]],
    ['more than ten', (sub) => Array.from({ length: 11 }, () => here(sub))],
  ])('aliases that name %s end nothing', async (_what, identifiers) => {
    const { transmitter, open, push } = await world({ subject: 'iss_sub' })
    const alice = await open()
    const subject = { format: 'aliases', identifiers: identifiers(alice.session.sub) }
    expect(
      (await push(await set(transmitter, { ...event(`${CAEP}session-revoked`), sub_id: subject })))
        .status,
    ).toBe(202)
    expect(await alice.refresh()).toBe(200)
  })

  test('an issuer reaches only users of its own tenants', async () => {
    const { transmitter, open, push } = await world({ tenants: [OTHER_TENANT] })
    const alice = await open()
    for (const subject of [
      ALICE,
      { format: 'complex', session: { format: 'opaque', id: alice.session.sid } },
    ])
      expect(
        (
          await push(
            await set(transmitter, { ...event(`${CAEP}session-revoked`), sub_id: subject }),
          )
        ).status,
      ).toBe(202)
    expect(await alice.refresh()).toBe(200)
  })

  test.each([
    ['a credential was added', event(`${CAEP}credential-change`, { change_type: 'create' })],
    [
      'the assurance rose',
      event(`${CAEP}assurance-level-change`, { change_direction: 'increase' }),
    ],
    ['an event that nobody knows', event('https://example.com/other')],
    [
      'somebody that nobody knows',
      { ...event(`${CAEP}session-revoked`), sub_id: { ...ALICE, oid: 'unknown' } },
    ],
    ['nobody', { ...event(`${CAEP}session-revoked`), sub_id: 7 }],
  ])('acknowledged, and ends nothing: %s', async (_what, claims) => {
    const { transmitter, open, push } = await world()
    const alice = await open()
    expect((await push(await set(transmitter, claims))).status).toBe(202)
    expect(await alice.refresh()).toBe(200)
  })

  test('forged ones are rejected in the words of RFC 8935 §2.4', async () => {
    const { transmitter, open, push } = await world()
    const alice = await open()
    const good = event(`${CAEP}session-revoked`)
    const other = await makeKey(transmitter.keys[0]?.kid ?? '')
    const tokens: [string, string][] = [
      ['invalid_key', await set(transmitter, good, {}, other)],
      ['invalid_issuer', await set(transmitter, { ...good, iss: 'https://evil.example' })],
      ['invalid_audience', await set(transmitter, { ...good, aud: 'https://other.example' })],
      ['invalid_request', await set(transmitter, good, { typ: 'JWT' })],
      ['invalid_request', await set(transmitter, { ...good, jti: undefined })],
      ['invalid_issuer', 'not.a.token'],
      ['invalid_request', 'x'.repeat(70_000)],
    ]
    for (const [err, token] of tokens) {
      const answer = await push(token)
      expect(answer.status).toBe(400)
      expect(answer.headers.get('content-language')).toBe('en')
      expect(await answer.json()).toMatchObject({ err, description: expect.any(String) as string })
    }
    expect((await push(await set(transmitter, good), 'application/json')).status).toBe(400)
    expect(await alice.refresh()).toBe(200)
  })

  test('while its keys cannot be read it is neither accepted nor rejected; sent again, it is accepted', async () => {
    const { transmitter, rig, open, push } = await world()
    const alice = await open()
    transmitter.broken['/jwks'] = 500
    const token = await set(transmitter, event(`${CAEP}session-revoked`))
    expect((await push(token)).status).toBe(503)
    expect(await alice.refresh()).toBe(200)
    delete transmitter.broken['/jwks']
    rig.clock.advance(10)
    expect((await push(token)).status).toBe(202)
    expect((await rig.store.head()).seq).toBe(1)
  })

  test('have no endpoint where no issuer is configured', async () => {
    const rig = await createRig()
    for (const path of ['/signal/events', '/signal/upstream/back-channel-logout'])
      expect((await rig.app.request(`${ISSUER}${path}`, { method: 'POST', body: '' })).status).toBe(
        404,
      )
  })
})

describe('an upstream provider’s back-channel logout', () => {
  const oidc = () => world({ kind: 'oidc', audience: 'us', tenants: [TENANT] })
  const token = (from: Transmitter, claims: Record<string, unknown>, header = {}) =>
    from.logoutToken({ aud: 'us', rev: undefined, sid: undefined, ...claims }, header)

  test('ends sessions by sid or by sub, spares those authenticated after it, and acts once if it comes twice', async () => {
    const { rig, transmitter, open, logout } = await oidc()
    const first = await open()
    const bySid = await token(transmitter, { sid: 'm-1' })
    expect((await logout(bySid)).status).toBe(200)
    expect(await first.refresh()).toBe(400)
    rig.clock.advance(30)
    const second = await open()
    expect((await logout(bySid)).status).toBe(200)
    expect(await second.refresh()).toBe(200)
    transmitter.clock.advance(30)
    expect((await logout(await token(transmitter, { sub: OID }))).status).toBe(200)
    expect(await second.refresh()).toBe(400)
  })

  test('an event that comes a second time ends nothing, also after a user came back by single sign-on', async () => {
    const { rig, transmitter, open, logout } = await oidc()
    const first = await open()
    const bySid = await token(transmitter, { sid: 'm-1' })
    await logout(bySid)
    expect(await first.refresh()).toBe(400)
    rig.clock.advance(30)
    const back = await open({}, { authTime: first.session.authTime - 600 })
    expect((await logout(bySid)).status).toBe(200)
    expect(await back.refresh()).toBe(200)
  })

  test('a token of another provider, one with a nonce, and a missing token: 400', async () => {
    const { transmitter, open, logout } = await oidc()
    const alice = await open()
    for (const bad of [
      await token(transmitter, { sid: 'm-1', iss: 'https://evil.example' }),
      await token(transmitter, { sid: 'm-1', nonce: 'n' }),
      await token(transmitter, { sid: 'm-1', aud: 'another' }),
      '',
    ]) {
      const answer = await logout(bad)
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: 'invalid_request' })
    }
    expect(await alice.refresh()).toBe(200)
  })
})

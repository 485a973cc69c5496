import { KeySet, verifyLogoutToken } from '@case-manager/guard'
import { describe, expect, test } from 'vitest'
import type { Selector } from '../../src/protocol/revocation.ts'
import { tendStreams } from '../../workers/tend-streams.ts'
import { ISSUER, OTHER_TENANT, TENANT } from '../rig.ts'
import { status } from '../workers/receiver.ts'
import {
  CAEP,
  EVERY,
  polling,
  pushStream,
  RISC,
  STREAM_UPDATED,
  VERIFICATION,
  world,
  type World,
} from './world.ts'

/**
 * A receiver gets the security events of the revocations that concern it. Sections are of SSF 1.0,
 * CAEP 1.0 and the CAEP Interoperability Profile 1.0 (CAEPIOP).
 */

const OPERATOR = { kind: 'operator', id: 'olga' } as const
type More = Partial<Parameters<World['rig']['store']['revoke']>[0]>
const revoke = ({ rig }: World, selector: Selector, more: More = {}) =>
  rig.store.revoke({
    selector,
    reason: 'administrator',
    actor: OPERATOR,
    now: rig.clock.now(),
    ...more,
  })
const going = () => true

/** A session that takes part at some clients. */
async function sessionAt(
  { rig }: World,
  clients: Parameters<World['rig']['signInAt']>[1][],
  changes: Parameters<World['rig']['openSession']>[0] = {},
) {
  const opened = await rig.openSession(changes)
  for (const client of clients) await rig.signInAt(opened.session.sid, client)
  return opened.session
}

describe('a security event token', () => {
  test('reaches a receiver whose client another broker has registered, or has given its origin, just now', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const { clients } = made.rig
    const known = clients.find(sydney.clientId)
    if (known === undefined) throw new Error('The client is not registered.')
    for (const former of [
      undefined,
      { ...known, metadata: { ...known.metadata, ssfPushOrigins: [] } },
    ]) {
      clients.find = () => known
      const { sid } = await sessionAt(made, [sydney])
      await revoke(made, { kind: 'session', sid })
      clients.find = () => former
      expect(await made.pushed(id, sydney.clientId)).toHaveLength(1)
    }
  })

  test('is one event, RS256 of 2048 bits, secevent+jwt, without sub, exp and nonce, for the receiver and never for the client (SSF §4.1, CAEPIOP §2.6, §2.8.1)', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const { sid, sub } = await sessionAt(made, [sydney])
    await revoke(made, { kind: 'session', sid })
    const [set] = await made.pushed(id, 'sydney')
    expect(set?.header).toEqual({
      alg: 'RS256',
      typ: 'secevent+jwt',
      kid: expect.any(String) as string,
    })
    const { keys } = made.rig.keys.jwks()
    expect(
      Buffer.from(String(keys.find(({ kid }) => kid === set?.header.kid)?.n), 'base64url').length *
        8,
    ).toBeGreaterThanOrEqual(2048)
    const { jti } = set?.claims ?? {}
    const why = { en: 'The session has ended: administrator.' }
    expect(set?.claims).toEqual({
      iss: ISSUER,
      aud: `${ISSUER}/ssf/receivers/sydney`,
      iat: made.rig.clock.now(),
      jti,
      txn: jti,
      sub_id: {
        format: 'complex',
        user: { format: 'iss_sub', iss: ISSUER, sub },
        session: { format: 'opaque', id: sid },
        tenant: { format: 'opaque', id: TENANT },
      },
      events: {
        [`${CAEP}session-revoked`]: {
          event_timestamp: made.rig.clock.now(),
          initiating_entity: 'admin',
          reason_admin: why,
          reason_user: why,
        },
      },
    })
    expect((await made.rig.store.findDelivery(String(jti)))?.targetId).toBe(id)
  })

  test('passes for no logout token, and a logout token for none (SSF §4.1)', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const { sid } = await sessionAt(made, [sydney])
    await revoke(made, { kind: 'session', sid })
    await made.pushed(id, 'sydney')
    const token = made.receiver.requests.at(-1)?.body ?? ''
    const nowMs = () => made.rig.clock.nowMs()
    const fetch = async () => made.rig.app.request(`${ISSUER}/jwks`)
    const keys = new KeySet({
      uri: `${ISSUER}/jwks`,
      clock: { nowMs, monotonicMs: nowMs, elapsedMs: nowMs, after: () => () => undefined },
      fetch: fetch as never,
    })
    const expected = {
      issuer: ISSUER,
      audience: 'sydney',
      now: made.rig.clock.now(),
      toleranceSeconds: 60,
    }
    expect(await verifyLogoutToken(token, keys, expected as never)).toMatchObject({ ok: false })
    const signed = made.rig.keys.sign('RS256', 'logout+jwt', {
      iss: ISSUER,
      aud: `${ISSUER}/ssf/receivers/sydney`,
      iat: made.rig.clock.now(),
      events: {},
    })
    await expect(made.verified(signed, 'sydney')).rejects.toThrow(/typ/)
  })

  test('keeps its jti over retries', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const { sid } = await sessionAt(made, [sydney])
    await revoke(made, { kind: 'session', sid })
    made.receiver.answer = status(500)
    const first = await made.pushed(id, 'sydney')
    made.rig.clock.advance(5)
    made.receiver.answer = status(202)
    const second = await made.pushed(id, 'sydney')
    expect([first.length, second.length]).toEqual([1, 1])
    expect(second[0]?.claims).toEqual(first[0]?.claims)
  })

  test('that the receiver rejects by an err is rejected, with it as the cause (RFC 8935 §2.4)', async () => {
    const made = await world()
    const { id, call } = await pushStream(made, await made.instance('Sydney'))
    made.receiver.answer = status(
      400,
      JSON.stringify({ err: 'invalid_key', description: 'what eyJhbGciOiJub25lIn0.e30.x said' }),
    )
    await call('POST', '/ssf/verification', { stream_id: id })
    expect(await made.attemptDue(id)).toEqual(['rejected'])
    const [delivery] = await made.rig.store.listDeliveries({
      clientId: id,
      state: 'rejected',
      limit: 1,
    })
    expect(delivery).toMatchObject({
      kind: 'set',
      lastError: 'HTTP 400 invalid_key',
      lastStatus: 400,
    })
  })
})

describe('a receiver gets', () => {
  test('events of sessions that its client took part in, and no others', async () => {
    const made = await world()
    const [sydney, melbourne] = [await made.instance('Sydney'), await made.instance('Melbourne')]
    const [atSydney, atMelbourne] = [
      await pushStream(made, sydney),
      await pushStream(made, melbourne),
    ]
    const both = await sessionAt(made, [sydney, melbourne])
    const session = await sessionAt(made, [melbourne], { user: { oid: 'b0b', name: 'Bob' } })
    for (const { sid } of [both, session]) await revoke(made, { kind: 'session', sid })
    await revoke(made, { kind: 'subject', sub: session.sub })
    expect(
      (await made.pushed(atSydney.id, 'sydney')).map(
        ({ claims }) => (claims.sub_id.session as { id: string }).id,
      ),
    ).toEqual([both.sid])
    expect(await made.pushed(atMelbourne.id, 'melbourne')).toHaveLength(2)
  })

  test('a revoked grant only where it is its own; a whole user as iss_sub (CAEPIOP §2.5), a tenant or everything as the tenants that it may know', async () => {
    const made = await world()
    const now = made.rig.clock.now()
    await made.rig.store.putTenant({
      tid: OTHER_TENANT,
      name: 'Fabrikam',
      mfaProof: 'auth_context:c1',
      connectedAt: now,
    })
    const [sydney, melbourne] = [
      await made.instance('Sydney', { tenants: [TENANT] }),
      await made.instance('Melbourne'),
    ]
    const [atSydney, atMelbourne] = [
      await pushStream(made, sydney),
      await pushStream(made, melbourne),
    ]
    const subjects = async (id: string, clientId: string) =>
      (await made.pushed(id, clientId)).map(({ claims }) => claims.sub_id)
    const session = await sessionAt(made, [sydney, melbourne])
    await revoke(made, { kind: 'grant', sid: session.sid, clientId: 'sydney' })
    expect([
      await subjects(atSydney.id, 'sydney'),
      await subjects(atMelbourne.id, 'melbourne'),
    ]).toMatchObject([[{ session: { id: session.sid } }], []])
    await revoke(made, { kind: 'subject', sub: session.sub })
    const user = { format: 'iss_sub', iss: ISSUER, sub: session.sub }
    expect([
      await subjects(atSydney.id, 'sydney'),
      await subjects(atMelbourne.id, 'melbourne'),
    ]).toEqual([[user], [user]])
    await revoke(made, { kind: 'tenant', tid: OTHER_TENANT })
    await revoke(made, { kind: 'everything' })
    const tenant = (id: string) => ({ format: 'complex', tenant: { format: 'opaque', id } })
    expect(await subjects(atSydney.id, 'sydney')).toEqual([tenant(TENANT)])
    expect(await subjects(atMelbourne.id, 'melbourne')).toEqual([
      tenant(OTHER_TENANT),
      tenant(TENANT),
      tenant(OTHER_TENANT),
    ])
  })

  test('a disabled, locked or deleted account as RISC says it, and a lapsed MFA as a lower assurance level', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const cases = [
      ['microsoft_account_disabled', [`${RISC}account-disabled`, `${CAEP}session-revoked`]],
      ['locked', [`${RISC}account-disabled`, `${CAEP}session-revoked`]],
      ['microsoft_account_deleted', [`${RISC}account-purged`, `${CAEP}session-revoked`]],
      ['mfa_lapsed', [`${CAEP}assurance-level-change`, `${CAEP}session-revoked`]],
      ['idle', [`${CAEP}session-revoked`]],
    ] as const
    for (const [reason, types] of cases) {
      const { sub } = await sessionAt(made, [sydney])
      await revoke(
        made,
        { kind: 'subject', sub },
        { reason, actor: { kind: 'microsoft', id: 'graph' } },
      )
      const sets = await made.pushed(id, 'sydney')
      expect([reason, sets.map(({ type }) => type).toSorted()]).toEqual([reason, types.toSorted()])
      for (const { claims } of sets)
        expect(claims.sub_id).toEqual({ format: 'iss_sub', iss: ISSUER, sub })
    }
  })

  test('the new roles of a live session, when a probe or a new sign-in brings others; without openid, nothing of claims', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const signIn = (cacheSealed: string, ...roles: string[]) =>
      made.rig.openSession({
        roles,
        browserHash: 'browser-1',
        microsoftCacheSealed: cacheSealed,
      } as never)
    const { sid } = (await signIn('cache-1', 'CaseManager.User')).session
    await made.rig.signInAt(sid, sydney)
    const probe = (cacheWas: string, cacheSealed: string, roles: string[]) =>
      made.rig.store.recordProbe({
        sid,
        cacheWas,
        finding: { outcome: 'vouched', cacheSealed, roles },
        now: made.rig.clock.now(),
      })
    expect(await probe('cache-1', 'cache-2', ['CaseManager.User'])).toMatchObject({
      outcome: 'recorded',
    })
    expect(await made.pushed(id, 'sydney')).toEqual([])
    await probe('cache-2', 'cache-3', ['CaseManager.Auditor'])
    const [set] = await made.pushed(id, 'sydney')
    expect(set?.claims).toMatchObject({
      sub_id: { format: 'complex', session: { id: sid } },
      events: { [`${CAEP}token-claims-change`]: { claims: { roles: ['CaseManager.Auditor'] } } },
    })
    await signIn('cache-3', 'CaseManager.Auditor')
    expect(await made.pushed(id, 'sydney')).toEqual([])
    const both = ['CaseManager.Auditor', 'CaseManager.User']
    expect(await signIn('cache-3', ...both)).toMatchObject({ renewed: true })
    expect((await made.pushed(id, 'sydney')).map(({ claims }) => claims.events)).toMatchObject([
      { [`${CAEP}token-claims-change`]: { claims: { roles: both } } },
    ])
    await made.instance('Sydney', { scopes: ['ssf.read', 'ssf.manage'] })
    await probe('cache-3', 'cache-4', ['CaseManager.User'])
    expect(await made.pushed(id, 'sydney')).toEqual([])
  })

  test('only the types of event that it asked for', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney, { events_requested: [`${RISC}account-disabled`] })
    const { sub } = await sessionAt(made, [sydney])
    await revoke(made, { kind: 'subject', sub }, { reason: 'locked' })
    expect((await made.pushed(id, 'sydney')).map(({ type }) => type)).toEqual([
      `${RISC}account-disabled`,
    ])
  })

  test('nothing once its client lost the scope, was removed, or its origin is no longer registered', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id } = await pushStream(made, sydney)
    const end = async () =>
      revoke(made, { kind: 'session', sid: (await sessionAt(made, [sydney])).sid })
    await end()
    await made.instance('Sydney', { ssfPushOrigins: [] })
    expect(await made.attemptDue(id)).toEqual(['rejected'])
    await made.instance('Sydney', { scopes: ['openid', 'offline_access'] })
    await end()
    expect(await made.attemptDue(id)).toEqual([])
    expect(made.receiver.requests).toHaveLength(1)
  })
})

describe('the status of a stream (SSF §8.1.2, CAEPIOP §2.3.5)', () => {
  test('paused keeps events, enabled sends them in their order, disabled drops them', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id, call } = await pushStream(made, sydney)
    const set = async (name: string) =>
      (await call('POST', '/ssf/status', { stream_id: id, status: name, reason: 'because' })).json
    const end = async () => {
      const { sid } = await sessionAt(made, [sydney])
      await revoke(made, { kind: 'session', sid })
      made.rig.clock.advance(1)
      return sid
    }
    const before = await end()
    expect(await set('paused')).toEqual({ stream_id: id, status: 'paused', reason: 'because' })
    const sids = [await end(), await end()]
    // An event that was already due is not sent either.
    expect(await made.pushed(id, 'sydney')).toEqual([])
    expect(await made.rig.store.pendingTargets()).toEqual([])
    expect(await set('enabled')).toMatchObject({ status: 'enabled' })
    const sent = (await made.pushed(id, 'sydney')).map(
      ({ claims }) => (claims.sub_id.session as { id: string }).id,
    )
    expect(sent.toSorted()).toEqual([before, ...sids].toSorted())
    await set('paused')
    await end()
    expect(await set('disabled')).toMatchObject({ status: 'disabled' })
    await end()
    expect(await set('enabled')).toMatchObject({ status: 'enabled' })
    expect(await made.pushed(id, 'sydney')).toEqual([])
    expect((await call('POST', '/ssf/status', { stream_id: id, status: 'off' })).status).toBe(400)
    expect((await call('GET', '/ssf/status')).status).toBe(400)
  })

  test('a stream that keeps too much is disabled by the broker: stream-updated, a failed check, and no event is kept', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const { id, call } = await pushStream(made, sydney)
    await call('POST', '/ssf/status', { stream_id: id, status: 'paused' })
    await revoke(made, { kind: 'session', sid: (await sessionAt(made, [sydney])).sid })
    made.rig.clock.advance(7 * 86_400 - 60)
    await tendStreams(made.rig.deps, going)
    expect((await made.rig.store.findStream(id))?.status).toBe('paused')
    made.rig.clock.advance(120)
    await tendStreams(made.rig.deps, going)
    await tendStreams(made.rig.deps, going)
    const reason = 'Events were not delivered for 7 days.'
    const sets = await made.pushed(id, 'sydney')
    expect(sets.map(({ claims }) => [claims.sub_id, claims.events])).toEqual([
      [{ format: 'opaque', id }, { [STREAM_UPDATED]: { status: 'disabled', reason } }],
    ])
    expect(made.rig.lines.filter((line) => line.includes('stream_disabled'))).toHaveLength(1)
    expect(await made.rig.store.deliveryCounts()).toContainEqual(
      expect.objectContaining({ clientId: id, state: 'closed', count: 1 }),
    )
  })
})

describe('a stream that is polled (RFC 8936)', () => {
  test('gives what waits until it is acknowledged, some at a time, and takes the receiver’s errors', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const call = await made.api(sydney)
    const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
    const poll = async (body: object) =>
      (await call('POST', `/ssf/poll/${id}`, { returnImmediately: true, ...body }))
        .json as unknown as {
        sets: Record<string, string>
        moreAvailable?: boolean
      }
    expect(await poll({})).toEqual({ sets: {} })
    const sids: string[] = []
    for (let i = 0; i < 3; i++) {
      const { sid } = await sessionAt(made, [sydney])
      sids.push(sid)
      await revoke(made, { kind: 'session', sid })
      made.rig.clock.advance(1)
    }
    const first = await poll({ maxEvents: 2 })
    expect([Object.keys(first.sets).length, first.moreAvailable]).toEqual([2, true])
    for (const [jti, token] of Object.entries(first.sets))
      expect((await made.verified(token, 'sydney')).claims.jti).toBe(jti)
    // Events that were not acknowledged are sent again.
    expect(Object.keys((await poll({ maxEvents: 2 })).sets)).toEqual(Object.keys(first.sets))
    const [a = '', b = ''] = Object.keys(first.sets)
    const rest = await poll({
      ack: [a, a, 'unknown'],
      setErrs: { [b]: { err: 'jwtCrypto', description: 'key is compromised' } },
    })
    expect(rest.moreAvailable).toBeUndefined()
    const [last = ''] = Object.values(rest.sets)
    expect((await made.verified(last, 'sydney')).claims.sub_id).toMatchObject({
      session: { id: sids[2] },
    })
    // The request acknowledges events and asks for none (§2.4).
    expect(await poll({ maxEvents: 0, ack: Object.keys(rest.sets) })).toEqual({ sets: {} })
    expect(await poll({})).toEqual({ sets: {} })
    expect(await made.rig.store.attemptsOf(a)).toMatchObject([{ outcome: 'delivered', jti: a }])
    expect(await made.rig.store.attemptsOf(b)).toMatchObject([
      { outcome: 'rejected', error: 'jwtCrypto' },
    ])
    // An event that an operator redrives can be polled, and is not pushed.
    await made.rig.store.redrive({ targetId: id })
    expect(await made.attemptDue(id)).toEqual([])
    expect(Object.keys((await poll({})).sets)).toEqual([b])
  })

  test('keeps a request open until an event comes; of two requests, the later one ends the other', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const call = await made.api(sydney)
    const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
    const both = [1, 2].map(
      async () => (await call('POST', `/ssf/poll/${id}`, {})).json.sets as Record<string, string>,
    )
    const ended = await Promise.race(both.map(async (poll, at) => ({ sets: await poll, at })))
    expect(ended.sets).toEqual({})
    await call('POST', '/ssf/verification', { stream_id: id, state: 's' })
    const [token = ''] = Object.values((await both[1 - ended.at]) ?? {})
    expect((await made.verified(token, 'sydney')).claims.events).toEqual({
      [VERIFICATION]: { state: 's' },
    })
  })

  test('that is paused gives nothing, and what it kept when it is enabled', async () => {
    const made = await world()
    const sydney = await made.instance('Sydney')
    const call = await made.api(sydney)
    const { stream_id: id } = (await call('POST', '/ssf/streams', polling)).json
    await call('POST', '/ssf/status', { stream_id: id, status: 'paused' })
    await revoke(made, { kind: 'session', sid: (await sessionAt(made, [sydney])).sid })
    const count = async () =>
      Object.keys(
        (await call('POST', `/ssf/poll/${id}`, { returnImmediately: true })).json.sets as object,
      ).length
    expect(await count()).toBe(0)
    await call('POST', '/ssf/status', { stream_id: id, status: 'enabled' })
    expect(await count()).toBe(1)
    expect(EVERY).toHaveLength(5)
  })
})

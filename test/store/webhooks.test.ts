import { describe, expect, test } from 'vitest'
import type { DeliveryRef, WebhookEndpoint } from '../../db/types.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../src/protocol/webhook-types.ts'
import { benches, STORES, T0, TENANT, type Bench } from './fixture.ts'

const OPERATOR = { kind: 'operator', id: 'olivia' } as const

const endpoint = (id: string, changed: Partial<WebhookEndpoint> = {}): WebhookEndpoint => ({
  id,
  url: `https://${id}.example/broker`,
  events: [...WEBHOOK_TYPES],
  include: [],
  secretSealed: 'sealed',
  state: 'enabled',
  position: 0,
  createdAt: T0,
  updatedAt: T0,
  ...changed,
})

const bodyOf = async (b: Bench, { id }: DeliveryRef): Promise<Record<string, unknown>> => {
  const delivery = await b.store.findDelivery(id)
  return JSON.parse(delivery?.payload ?? '{}') as Record<string, unknown>
}
/** Returns the messages that are due to an endpoint, oldest first. */
const dueTo = async (b: Bench, targetId: string): Promise<Record<string, unknown>[]> => {
  const { refs } = await b.store.dueDeliveries({ targetId, nowMs: b.now * 1000, limit: 100 })
  const bodies = await Promise.all(refs.map((ref) => bodyOf(b, ref)))
  return bodies.toSorted((a, c) => Number(a.position) - Number(c.position))
}
const typesDueTo = async (b: Bench, id: string) => (await dueTo(b, id)).map(({ type }) => type)
const revoke = (
  b: Bench,
  selector: Selector,
  more: Partial<Parameters<Bench['store']['revoke']>[0]> = {},
) => b.store.revoke({ selector, reason: 'administrator', actor: OPERATOR, now: b.now, ...more })

describe.each(STORES)('webhooks, on %s', (_name, make) => {
  const open = benches(make)

  test('a revocation writes its events to each enabled endpoint that wants them, in its own transaction', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_all'))
    await b.store.addWebhook(endpoint('wh_theft', { events: ['revocation.theft'] }))
    await b.store.addWebhook(endpoint('wh_off', { state: 'disabled', cause: 'not ready' }))
    const { session } = await b.signIn()
    const answer = await revoke(b, { kind: 'session', sid: session.sid })
    const pending = answer.outcome === 'revoked' ? answer.committed.pending : []
    expect(pending.map(({ targetId }) => targetId)).toEqual(['wh_all'])
    expect(await dueTo(b, 'wh_all')).toEqual([
      {
        type: 'revocation.by_operator',
        timestamp: new Date(b.now * 1000).toISOString(),
        endpoint_id: 'wh_all',
        position: 1,
        data: {
          seq: 1,
          selector: { kind: 'session', sid: session.sid },
          tid: TENANT,
          sub: session.sub,
          reason: 'administrator',
          actor_kind: 'operator',
        },
      },
    ])
    expect(await b.due(b.now * 1000)).toHaveLength(1)
  })

  test('the events that each revocation causes', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_1'))
    const user = { kind: 'user', id: 'u' } as const
    const broker = { kind: 'broker', id: 'part' } as const
    const cases: [Selector['kind'], Parameters<typeof revoke>[2], string[]][] = [
      // A sign-out on the user's own device and an expired session send no event.
      ['session', { reason: 'signed_out', actor: user }, []],
      ['session', { reason: 'expired', actor: broker }, []],
      ['subject', { reason: 'signed_out_everywhere', actor: user }, ['user.signed_out_everywhere']],
      [
        'session',
        { reason: 'refresh_token_reuse', actor: { kind: 'client', id: 'sydney' } },
        ['revocation.theft'],
      ],
      ['session', { reason: 'code_reuse', actor: broker }, ['revocation.theft']],
      ['session', { reason: 'token_revoked', actor: { kind: 'client', id: 'sydney' } }, []],
      ['subject', {}, ['revocation.by_operator']],
      ['session', { actor: { kind: 'client', id: 'robot' } }, ['revocation.by_operator']],
      ['tenant', {}, ['revocation.by_operator', 'revocation.wide']],
      ['everything', { reason: 'restored', actor: broker }, ['revocation.wide']],
    ]
    const types: string[] = []
    for (const [kind, more, expected] of cases) {
      const { session } = await b.signIn()
      const selector = {
        kind,
        sid: session.sid,
        sub: session.sub,
        tid: TENANT,
      } as unknown as Selector
      expect((await revoke(b, selector, more)).outcome).toBe('revoked')
      types.push(...expected)
      expect([kind, more, await typesDueTo(b, 'wh_1')]).toEqual([kind, more, types])
    }
  })

  test('a key that begins to sign or is retired, and a changed setting, are events; the broker’s internal settings are none', async () => {
    const b = await open()
    const key = { alg: 'ES256', privateSealed: null, publicJwk: {}, createdAt: b.now } as const
    for (const kid of ['first', 'second']) await b.store.addKey({ ...key, kid, state: 'next' })
    await b.store.addWebhook(endpoint('wh_1', { include: ['setting_values'] }))
    for (const kid of ['first', 'second', 'second'])
      await b.store.activateKey({ kid, retireAt: b.now + 60, now: b.now })
    for (const kid of ['first', 'first', 'unknown']) await b.store.retireKey({ kid, now: b.now })
    await b.store.setSetting('secrets_seen', '[]')
    await b.store.setSetting('entra/client_id', 'app-1')
    await b.store.setSetting('entra/client_id', 'app-1')
    await b.store.setSetting('entra/credential', 'sealed-credential')
    await b.store.resealSetting({
      name: 'entra/credential',
      from: 'sealed-credential',
      to: 'sealed-again',
    })
    await b.store.putTenant({
      tid: TENANT,
      name: 'Contoso',
      mfaProof: 'undecided',
      connectedAt: b.now,
    })
    await b.store.changeTenant({
      tid: TENANT,
      change: { mfaProof: 'amr', idleSeconds: 600, name: 'Contoso Ltd' },
    })
    const said = (await dueTo(b, 'wh_1')).map(({ type, data }) => ({ type, ...(data as object) }))
    expect(said).toEqual([
      { type: 'key.rotated', kid: 'first', alg: 'ES256', state: 'active' },
      { type: 'key.rotated', kid: 'second', alg: 'ES256', state: 'active' },
      { type: 'key.rotated', kid: 'first', alg: 'ES256', state: 'retired' },
      { type: 'setting.changed', setting: 'entra.client_id', value: 'app-1' },
      { type: 'setting.changed', setting: 'entra.credential' },
      { type: 'setting.changed', setting: 'tenant.connected', tid: TENANT },
      { type: 'setting.changed', setting: 'tenant.mfa_proof', tid: TENANT, value: 'amr' },
      { type: 'setting.changed', setting: 'tenant.idle_seconds', tid: TENANT, value: '600' },
    ])
  })

  test('holds no name, comment or case reference, unless its switch is on', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_none'))
    await b.store.addWebhook(endpoint('wh_every', { include: [...WEBHOOK_SWITCHES] }))
    await revoke(
      b,
      { kind: 'everything' },
      { comment: 'the phone of Alice', caseReference: 'INC-4711' },
    )
    const [none] = await dueTo(b, 'wh_none')
    expect(JSON.stringify(none)).not.toMatch(/Alice|INC-4711|olivia/)
    expect((await dueTo(b, 'wh_every'))[0]).toMatchObject({
      data: { comment: 'the phone of Alice', case_reference: 'INC-4711', actor: 'olivia' },
    })
  })

  test('positions of one endpoint have no gap, also of acts at once; a rejected act leaves none', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_1', { events: ['revocation.by_operator'] }))
    const sids = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => (await b.signIn(`user-${i}`)).session.sid),
    )
    await Promise.all([...sids, ...sids].map((sid) => revoke(b, { kind: 'session', sid })))
    expect((await dueTo(b, 'wh_1')).map(({ position }) => position)).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    )
    expect(await b.store.findWebhook('wh_1')).toMatchObject({ position: 12 })
  })

  test('a delivered message keeps no content; a failed one keeps it for a redrive, a closed one does not', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_1'))
    const refs = await Promise.all([1, 2, 3].map(() => b.store.testWebhook('wh_1')))
    const [delivered, failed, closed] = refs.map((ref) => ref?.id ?? '')
    const attempt = { attempt: 1, atMs: b.now * 1000, latencyMs: 1 }
    await b.store.recordDelivery({
      id: delivered ?? '',
      result: { outcome: 'delivered', attempt: { ...attempt, outcome: 'delivered' } },
    })
    await b.store.recordDelivery({
      id: failed ?? '',
      result: { outcome: 'failed', attempt: { ...attempt, outcome: 'failed' } },
    })
    expect(await b.store.closeDeliveries({ id: closed ?? '', reason: 'not needed' })).toHaveLength(
      1,
    )
    const payloads = await Promise.all(
      [delivered, failed, closed].map(
        async (id) => (await b.store.findDelivery(id ?? ''))?.payload,
      ),
    )
    expect(payloads.map((payload) => payload === undefined)).toEqual([true, false, true])
    expect(await b.store.redrive({ targetId: 'wh_1' })).toMatchObject([{ id: failed, attempt: 1 }])
    expect(await b.store.deliveryCounts()).toMatchObject([
      { clientId: 'wh_1', state: 'closed', count: 1 },
      { clientId: 'wh_1', state: 'delivered', count: 1 },
      { clientId: 'wh_1', state: 'pending', count: 1 },
    ])
  })

  test('no revocation counts a webhook among its deliveries', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_1'))
    await revoke(b, { kind: 'everything' })
    await b.fanOutAll()
    expect((await b.store.findRevocation(1))?.totals).toMatchObject({ pending: 0 })
    expect(await b.store.listDeliveries({ seq: 1, limit: 10 })).toEqual([])
  })

  test('an endpoint changes its address with what is pending, keeps its position, and is not a logout address of a client', async () => {
    const b = await open()
    await b.client('sydney')
    await b.store.addWebhook(endpoint('wh_1'))
    const ref = await b.store.testWebhook('wh_1')
    const changed = await b.store.changeWebhook({
      id: 'wh_1',
      change: { url: 'https://new.example/', secretSealed: 'other' },
      now: b.now + 5,
    })
    expect(changed).toMatchObject({
      url: 'https://new.example/',
      secretSealed: 'other',
      position: 1,
      createdAt: T0,
      updatedAt: T0 + 5,
    })
    expect(await b.store.findWebhook('wh_1')).toEqual(changed)
    expect(await b.store.findDelivery(ref?.id ?? '')).toMatchObject({
      uri: 'https://new.example/',
      kind: 'webhook',
      clientId: 'wh_1',
    })
    expect((await b.store.listTargets()).map(({ clientId }) => clientId)).toEqual(['sydney'])
    expect(await b.store.pendingTargets()).toMatchObject([
      { targetId: 'wh_1', uri: 'https://new.example/', pending: 1 },
    ])
  })

  test('a disabled or removed endpoint gets no event', async () => {
    const b = await open()
    await b.store.addWebhook(endpoint('wh_1'))
    await b.store.changeWebhook({
      id: 'wh_1',
      change: { state: 'disabled', cause: 'moving' },
      now: b.now,
    })
    expect(await b.store.testWebhook('wh_1')).toBeUndefined()
    await revoke(b, { kind: 'everything' })
    expect(await b.store.removeWebhook('wh_1')).toBe(true)
    expect(await b.store.removeWebhook('wh_1')).toBe(false)
    await revoke(b, { kind: 'everything' })
    expect(await dueTo(b, 'wh_1')).toEqual([])
    expect(await b.store.listWebhooks()).toEqual([])
  })

  test('there are at most 20 endpoints', async () => {
    const b = await open()
    for (let i = 0; i < 20; i++) expect(await b.store.addWebhook(endpoint(`wh_${i}`))).toBe(true)
    expect(await b.store.addWebhook(endpoint('wh_20'))).toBe(false)
  })
})

import { describe, expect, test } from 'vitest'
import type { EmailContent, EmailPolicy } from '../../db/types.ts'
import { WEBHOOK_SWITCHES } from '../../src/protocol/webhook-event.ts'
import { benches, expectOutcome, STORES, T0, TENANT } from './fixture.ts'
import type { Bench } from './fixture.ts'

const POLICY: EmailPolicy = { domains: ['contoso.example'] }
const DAY = 86_400

interface Options {
  email?: string | undefined
  /** `known`: she had used it. */
  newDevice?: { address?: string; email?: EmailPolicy } | 'known'
  browser?: string
}
let made = 0
/** A sign-in of Alice's with a browser that she had not used. */
async function signIn(b: Bench, { email = 'alice@contoso.example', newDevice = { email: POLICY }, browser }: Options = {}) {
  const cookieHash = `cookie-${++made}`
  const done = await b.store.signIn({
    session: {
      user: { tid: TENANT, oid: 'oid-alice', name: 'Alice', username: 'alice@contoso.example', email },
      ...{
        authTime: b.now,
        idleSeconds: 28_800,
        absoluteAt: b.now + 43_200,
        roles: [],
        staySignedIn: false,
        device: 'Firefox on Windows',
        cookieHash,
      },
    },
    newDevice: newDevice === 'known' ? undefined : newDevice,
    browserCookieHash: browser,
    provenSeq: 1_000,
    ids: { sub: `u_${made}`, sid: `s_${made}` },
    now: b.now,
  })
  return { ...expectOutcome(done, 'signed_in').session, cookieHash }
}
const pending = async (b: Bench, targetId: string) => {
  const { refs } = await b.store.dueDeliveries({ targetId, nowMs: b.now * 1000, limit: 100 })
  return Promise.all(refs.map(async ({ id }) => (await b.store.findDelivery(id)) ?? expect.unreachable()))
}
const emails = async (b: Bench) =>
  (await pending(b, '@email')).map(({ payload = '' }) => JSON.parse(payload) as EmailContent & { to: string }).toSorted((a, c) => a.atMs - c.atMs)
const sentTo = async (b: Bench) => (await emails(b)).map(({ template, to }) => [template, to])

describe.each(STORES)('email to users, on %s', (_name, make) => {
  const open = benches(make)

  test('a new device is told to the address that was known before the sign-in, and on a change to the new one too', async () => {
    const b = await open()
    await signIn(b)
    expect(await emails(b)).toEqual([])
    b.now += 60
    const { sub } = await signIn(b)
    expect(await emails(b)).toEqual([{ to: 'alice@contoso.example', template: 'new_device', atMs: b.now * 1000, device: 'Firefox on Windows' }])
    expect((await pending(b, '@email'))[0]).toMatchObject({ kind: 'email', clientId: '@email', sub, sid: undefined, seq: undefined })
    b.now += 2 * DAY
    await b.store.purge({ kind: 'consumed', now: b.now, limit: 100 })
    await signIn(b, { email: 'mallory@contoso.example' })
    expect((await sentTo(b)).slice(1)).toEqual([
      ['new_device', 'alice@contoso.example'],
      ['new_device', 'mallory@contoso.example'],
    ])
  })

  test('one a day for each user and each address, and none for a browser that they know or a session that is renewed', async () => {
    const b = await open()
    const { cookieHash } = await signIn(b)
    await signIn(b, { browser: cookieHash })
    await signIn(b, { newDevice: 'known' })
    expect(await emails(b)).toEqual([])
    await Promise.all([signIn(b), signIn(b), signIn(b)])
    expect(await emails(b)).toHaveLength(1)
    b.now += DAY - 60
    await signIn(b)
    expect(await emails(b)).toHaveLength(1)
    b.now += 120
    await b.store.purge({ kind: 'consumed', now: b.now, limit: 100 })
    await signIn(b)
    expect(await emails(b)).toHaveLength(2)
  })

  test.each([
    ['another domain', 'alice@evil.example'],
    ['a subdomain', 'alice@mail.contoso.example'],
    ['two addresses', 'alice@evil.example,alice@contoso.example'],
    ['a header', 'alice@contoso.example\r\nBcc: x@evil.example'],
  ])('goes to no address outside the domains: %s', async (_which, email) => {
    const b = await open()
    await signIn(b, { email })
    await signIn(b, { email })
    expect(await emails(b)).toEqual([])
  })

  test('signing out everywhere is told once an hour; an operator’s revocation is not told', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    const revoke = (more: object) =>
      b.store.revoke({ selector: { kind: 'subject', sub }, actor: { kind: 'user', id: sub }, now: b.now, ...more } as never)
    await revoke({ reason: 'administrator', email: POLICY })
    await revoke({ reason: 'signed_out_everywhere' })
    expect(await emails(b)).toEqual([])
    await revoke({ reason: 'signed_out_everywhere', email: POLICY })
    await revoke({ reason: 'signed_out_everywhere', email: POLICY })
    expect(await sentTo(b)).toEqual([['signed_out_everywhere', 'alice@contoso.example']])
  })

  test('a new device is an event of webhooks, with name and IP address only where their switches are on', async () => {
    const b = await open()
    const one = { url: 'https://siem.example/', secretSealed: 'sealed', state: 'enabled', position: 0, createdAt: T0, updatedAt: T0 } as const
    const type = 'user.signed_in_on_new_device'
    await b.store.addWebhook({ ...one, id: 'wh_none', events: [type], include: [] })
    await b.store.addWebhook({ ...one, id: 'wh_every', url: 'https://two.example/', events: [type], include: [...WEBHOOK_SWITCHES] })
    const { sub, sid } = await signIn(b, { newDevice: { address: '203.0.113.7' } })
    const data = async (id: string) => (JSON.parse((await pending(b, id))[0]?.payload ?? '{}') as { data: unknown }).data
    const plain = { sub, sid, tid: TENANT, device: 'Firefox on Windows' }
    expect(await data('wh_none')).toEqual(plain)
    expect(await data('wh_every')).toEqual({ ...plain, name: 'Alice', username: 'alice@contoso.example', ip_address: '203.0.113.7' })
  })

  test('erasing a user closes and empties what is pending or failed about them; what the erasure tells stays', async () => {
    const b = await open()
    const one = { url: 'https://siem.example/', secretSealed: 'sealed', state: 'enabled', position: 0, createdAt: T0, updatedAt: T0 } as const
    await b.store.addWebhook({ ...one, id: 'wh_1', events: ['user.signed_in_on_new_device', 'revocation.by_operator'], include: ['names'] })
    await signIn(b)
    const { sub } = await signIn(b)
    const [failed] = await pending(b, 'wh_1')
    const attempt = { attempt: 1, atMs: b.now * 1000, outcome: 'failed', latencyMs: 1 } as const
    await b.store.recordDelivery({ id: failed?.id ?? '', result: { outcome: 'failed', attempt } })
    await b.store.eraseUser({ sub, actor: { kind: 'operator', id: 'olga' }, now: b.now })
    expect(await emails(b)).toEqual([])
    expect((await pending(b, 'wh_1')).map(({ payload }) => (JSON.parse(payload ?? '') as { type: string }).type)).toEqual(['revocation.by_operator'])
    const all = (await b.store.listDeliveries({ limit: 100 })).filter(({ kind }) => kind !== 'logout_token')
    expect(all.map(({ state }) => state).toSorted()).toEqual(['closed', 'closed', 'closed', 'pending'])
    expect(JSON.stringify(all)).not.toMatch(/Alice|alice@/)
  })
})

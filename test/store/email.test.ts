import { describe, expect, test } from 'vitest'
import type { SessionLimit } from '../../db/store.ts'
import type { EmailContent, EmailPolicy } from '../../db/types.ts'
import { WEBHOOK_SWITCHES } from '../../src/protocol/webhook-types.ts'
import { benches, expectOutcome, STORES, T0, TENANT } from './fixture.ts'
import type { Bench } from './fixture.ts'

const POLICY: EmailPolicy = { domains: ['contoso.example'] }
const DAY = 86_400

interface Options {
  oid?: string
  /** Null: the sign-in brings no `email` claim. */
  email?: string | null
  /** `known`: she had used it. */
  newDevice?: { address?: string; email?: EmailPolicy } | 'known'
  browser?: string
  provenSeq?: number
  limit?: SessionLimit
  language?: string
}
let made = 0
/** A sign-in of Alice's, if nothing else is said, with a browser that she had not used. */
async function signIn(b: Bench, how: Options = {}) {
  const cookieHash = `cookie-${++made}`
  return { ...expectOutcome(await tryToSignIn(b, how, cookieHash), 'signed_in').session, cookieHash }
}
function tryToSignIn(b: Bench, how: Options, cookieHash = `cookie-${++made}`) {
  const {
    oid = 'oid-alice',
    email = 'alice@contoso.example',
    newDevice = { email: POLICY },
    browser,
    provenSeq = Number.MAX_SAFE_INTEGER,
    limit,
    language,
  } = how
  return b.store.signIn({
    session: {
      user: { tid: TENANT, oid, name: 'Alice', username: 'alice@contoso.example', email: email ?? undefined },
      ...{
        authTime: b.now,
        visitStartedAt: b.now,
        idleSeconds: 28_800,
        absoluteAt: b.now + 43_200,
        roles: [],
        staySignedIn: false,
        device: 'Firefox on Windows',
        language,
        cookieHash,
      },
    },
    newDevice: newDevice === 'known' ? undefined : newDevice,
    browserCookieHash: browser,
    ...{ provenSeq, limit },
    ids: { sub: `u_${made}`, sid: `s_${made}` },
    now: b.now,
  })
}
const OLGA = { kind: 'operator', id: 'olga' } as const
const lock = (b: Bench, how: Partial<Parameters<Bench['store']['lock']>[0]> = {}) =>
  b.store.lock({
    ...({ target: { kind: 'user', tid: TENANT, oid: 'oid-alice' }, actor: OLGA, may: 'administer', operatorTenant: undefined } as const),
    ...{ email: POLICY, now: b.now, ...how },
  })
const pending = async (b: Bench, targetId: string) => {
  const { refs } = await b.store.dueDeliveries({ targetId, nowMs: b.now * 1000, limit: 100 })
  return Promise.all(refs.map(async ({ id }) => (await b.store.findDelivery(id)) ?? expect.unreachable()))
}
const emails = async (b: Bench) =>
  (await pending(b, '@email')).map(({ payload = '' }) => JSON.parse(payload) as EmailContent & { to: string }).toSorted((a, c) => a.atMs - c.atMs)
const sentTo = async (b: Bench) => (await emails(b)).map(({ template, to }) => [template, to])

describe.each(STORES)('email to users, on %s', (_name, make) => {
  const open = benches(make)

  test('email about a new device goes to the address that was known before the sign-in, and on a change to the new one too', async () => {
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

  /** The limits of a day are over. */
  const later = async (b: Bench, seconds: number) => {
    b.now += seconds
    for (const kind of ['consumed', 'former_addresses'] as const) await b.store.purge({ kind, now: b.now, limit: 100 })
  }
  const toOf = async (b: Bench, act: () => Promise<unknown>) => {
    const before = new Set((await pending(b, '@email')).map(({ id }) => id))
    await act()
    const written = (await pending(b, '@email')).filter(({ id }) => !before.has(id))
    return written.map(({ payload = '' }) => (JSON.parse(payload) as { to: string }).to).toSorted()
  }
  const everywhere = (b: Bench, sub: string) => () =>
    b.store.revoke({
      ...{ selector: { kind: 'subject', sub }, reason: 'signed_out_everywhere', actor: { kind: 'user', id: sub } },
      ...{ email: POLICY, now: b.now },
    })

  test('for 30 days after a changed claim, email about every event goes to the former address too; after them to the new one alone', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    b.now += 60
    const mallory = { email: 'mallory@contoso.example' }
    // Not the sign-in of a new device: it brings the address, and the next events are the attacker's.
    await signIn(b, { ...mallory, newDevice: 'known' })
    const both = ['alice@contoso.example', 'mallory@contoso.example']
    expect(await toOf(b, () => signIn(b, mallory))).toEqual(both)
    expect(await toOf(b, everywhere(b, sub))).toEqual(both)
    await later(b, 29 * DAY)
    await signIn(b, { ...mallory, newDevice: 'known' })
    await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
    const locked = async () => b.store.liftLock({ id: expectOutcome(await lock(b), 'locked').lock.id, actor: OLGA, now: b.now })
    expect(await toOf(b, locked)).toEqual(both)
    await later(b, DAY)
    expect(await toOf(b, locked)).toEqual(['mallory@contoso.example'])
    expect(await b.store.exportUser({ sub, cursor: '1:', limit: 9 })).toMatchObject({ records: [] })
  })

  test('a claim that is left out, then changed, does not hide the address that was known', async () => {
    const b = await open()
    await signIn(b)
    await signIn(b, { email: null, newDevice: 'known' })
    const to = await toOf(b, () => signIn(b, { email: 'mallory@contoso.example' }))
    expect(to).toEqual(['alice@contoso.example', 'mallory@contoso.example'])
  })

  test('more changes than the broker keeps addresses displace none of the oldest', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    for (let i = 1; i <= 9; i++) await signIn(b, { email: `m${i}@contoso.example`, newDevice: 'known' })
    const to = await toOf(b, everywhere(b, sub))
    expect(to).toEqual(['alice', 'm1', 'm2', 'm3', 'm9'].map((name) => `${name}@contoso.example`))
  })

  test('Graph’s mail goes before the claim; the address that it replaces is a former one, and each counts towards its own limit', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    const mail = (address: string | undefined) => b.store.recordMail({ sub, mail: address, now: b.now })
    await mail('alice.adams@contoso.example')
    expect(await b.store.findSubject(sub)).toMatchObject({ mail: 'alice.adams@contoso.example', email: 'alice@contoso.example' })
    expect(await toOf(b, everywhere(b, sub))).toEqual(['alice.adams@contoso.example', 'alice@contoso.example'])
    await later(b, 31 * DAY)
    // A changed claim changes no address now.
    const mallory = { email: 'mallory@contoso.example' }
    expect(await toOf(b, () => signIn(b, mallory))).toEqual(['alice.adams@contoso.example'])
    await mail(undefined)
    await later(b, DAY)
    expect(await toOf(b, () => signIn(b, mallory))).toEqual(['alice.adams@contoso.example', 'mallory@contoso.example'])
    // Another user with the same address: the limit is the address's.
    const others = { user: { tid: TENANT, oid: 'oid-bob', email: 'alice.adams@contoso.example' } }
    const bob = await b.signIn('bob', { session: others })
    expect(await toOf(b, async () => b.store.recordMail({ sub: bob.session.sub, mail: 'bob@contoso.example', now: b.now }))).toEqual([])
    expect(await toOf(b, () => tryToSignIn(b, { oid: 'oid-bob', email: 'alice.adams@contoso.example' }))).toEqual(['bob@contoso.example'])
  })

  test('of a changed mail, only addresses in the domains get email: not one outside, former or new', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    await b.store.recordMail({ sub, mail: 'alice@evil.example', now: b.now })
    expect(await toOf(b, everywhere(b, sub))).toEqual(['alice@contoso.example'])
  })

  test('an erased user has no address, former ones included, and Graph brings none back without a live session', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    await b.store.recordMail({ sub, mail: 'alice.adams@contoso.example', now: b.now })
    const held = async () =>
      JSON.stringify([await b.store.exportUser({ sub, cursor: '0:', limit: 9 }), await b.store.exportUser({ sub, cursor: '1:', limit: 9 })])
    expect(await held()).toMatch(/"kind":"user".*"mail":"alice\.adams@.*"kind":"former_address".*"address":"alice@contoso/)
    await b.store.eraseUser({ sub, actor: OLGA, now: b.now })
    await b.store.recordMail({ sub, mail: 'alice.adams@contoso.example', now: b.now })
    expect(await held()).not.toMatch(/@contoso/)
    expect(await toOf(b, () => signIn(b))).toEqual([])
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

  test('email about signing out everywhere goes out once an hour; none about an operator’s revocation', async () => {
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

  test('a rejected sign-in does not change the address that is known: not of a lock, not of one that is not fresh, not of the session limit', async () => {
    const b = await open()
    const { sub } = await signIn(b)
    const known = await b.store.findSubject(sub)
    const mallory = { email: 'mallory@contoso.example' }
    const reject = async (why: string, more: Options = {}) =>
      expect(await tryToSignIn(b, { ...mallory, ...more })).toMatchObject({ outcome: 'rejected', why })
    await reject('session_limit', { limit: { most: 1, whenFull: 'ask' } })
    await b.store.revoke({ selector: { kind: 'subject', sub }, reason: 'administrator', actor: OLGA, now: b.now })
    await reject('not_fresh', { provenSeq: 0 })
    expectOutcome(await lock(b), 'locked')
    await reject('user_locked')
    expect(await b.store.findSubject(sub)).toEqual(known)
  })

  test('the address of a first sign-in that is rejected is not known: no email goes to it', async () => {
    const b = await open()
    await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
    const { lock: placed } = expectOutcome(await lock(b), 'locked')
    await tryToSignIn(b, { email: 'mallory@contoso.example' })
    await b.store.liftLock({ id: placed.id, actor: OLGA, now: b.now })
    await signIn(b)
    expect(await emails(b)).toEqual([])
    expect(await b.store.findSubjectByUser(TENANT, 'oid-alice')).toMatchObject({ name: 'Alice', email: 'alice@contoso.example' })
  })

  test('is in the language of the latest sign-in that was accepted before the event; one without a language keeps it, and erasure forgets it', async () => {
    const b = await open()
    await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
    const languages = async () => (await emails(b)).map(({ template, language }) => [template, language])
    await signIn(b, { language: 'de' })
    b.now += 60
    await signIn(b, { language: 'ar' })
    expect(await languages()).toEqual([['new_device', 'de']])
    await signIn(b, { newDevice: 'known' })
    const { id } = expectOutcome(await lock(b), 'locked').lock
    await tryToSignIn(b, { language: 'fr' })
    await b.store.liftLock({ id, actor: OLGA, now: b.now })
    const { sub } = await signIn(b, { newDevice: 'known' })
    b.now += 1
    await b.store.revoke({
      ...{ selector: { kind: 'subject', sub }, reason: 'signed_out_everywhere', actor: { kind: 'user', id: sub }, now: b.now, email: POLICY },
    })
    expect((await languages()).toSorted()).toEqual([
      ['locked', 'ar'],
      ['new_device', 'de'],
      ['signed_out_everywhere', 'ar'],
    ])
    await b.store.eraseUser({ sub, actor: OLGA, now: b.now })
    expect((await b.store.findSubject(sub))?.language).toBeUndefined()
  })

  test('email about a lock goes to the user once an hour; none about its replacement, its end or the lock of a tenant', async () => {
    const b = await open()
    await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
    await signIn(b)
    const placed = expectOutcome(await lock(b), 'locked').lock
    expect(await emails(b)).toEqual([{ to: 'alice@contoso.example', template: 'locked', atMs: b.now * 1000 }])
    b.now += 3_601
    await b.store.purge({ kind: 'consumed', now: b.now, limit: 100 })
    const other = expectOutcome(await lock(b, { replaces: placed.id }), 'locked').lock
    await b.store.liftLock({ id: other.id, actor: OLGA, now: b.now })
    const tenant = expectOutcome(await lock(b, { target: { kind: 'tenant', tid: TENANT } }), 'locked').lock
    await b.store.liftLock({ id: tenant.id, actor: OLGA, now: b.now })
    expect(await emails(b)).toHaveLength(1)
    for (const _ of [1, 2]) await b.store.liftLock({ id: expectOutcome(await lock(b), 'locked').lock.id, actor: OLGA, now: b.now })
    expect((await sentTo(b)).map(([template]) => template)).toEqual(['locked', 'locked'])
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

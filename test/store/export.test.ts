import { describe, expect, test } from 'vitest'
import type { HeldRecord } from '../../db/types.ts'
import { benches, expectOutcome, STORES, TENANT, type Bench } from './fixture.ts'

const sessionOf = (who: string) => ({
  loginHintSealed: 'a SEALED hint',
  microsoftCacheSealed: 'a SEALED cache',
  user: {
    tid: TENANT,
    oid: `oid-${who}`,
    name: who,
    username: `${who}@contoso.example`,
    email: `${who}@contoso.example`,
  },
})
const OPERATOR = { kind: 'operator', id: 'olga' } as const

async function exported(b: Bench, sub: string, limit = 100) {
  const records: HeldRecord[] = []
  let [cursor, pages]: [string | undefined, number] = [undefined, 0]
  do {
    const page: Awaited<ReturnType<Bench['store']['exportUser']>> = await b.store.exportUser({
      sub,
      cursor,
      limit,
    })
    if (page === undefined) throw new Error('There is no such user.')
    expect(page.records.length).toBeLessThanOrEqual(Math.max(limit, 3))
    records.push(...page.records)
    cursor = page.next
    pages++
  } while (cursor !== undefined)
  return { records, pages }
}

/** Alice has two sessions, one of them ended, and something in every table; Bob the same. */
async function everything(b: Bench): Promise<{ alice: string; bob: string }> {
  await b.client('sydney')
  await b.client('perth', { logoutBy: 'sub' })
  await b.store.addWebhook({
    id: 'wh_1',
    url: 'https://siem.example/',
    events: ['session.new_device'],
    include: ['names'],
    secretSealed: 'sealed',
    state: 'enabled',
    position: 0,
    createdAt: b.now,
    updatedAt: b.now,
  })
  const subs = []
  for (const who of ['alice', 'bob']) {
    const { session } = await b.signIn(who, { session: sessionOf(who) })
    await b.exchange(session.sid, 'sydney')
    await b.exchange(session.sid, 'perth')
    const { sub } = session
    await b.store.recordConsent({ sub, clientId: 'sydney', scope: 'openid', now: b.now })
    const id = await b.store.appendAudit({
      actor: OPERATOR,
      via: 'command',
      act: 'revoke',
      target: `subject ${sub}`,
    })
    await b.store.concludeAudit({ id, outcome: 'done' })
    await b.store.appendAudit({
      actor: { kind: 'user', id: sub },
      via: 'account',
      act: 'user.report',
      target: 'session s_x',
    })
    // The revocation raises the floor.
    await b.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'reported_by_user',
      actor: { kind: 'user', id: sub },
      now: b.now,
    })
    await b.store.askMicrosoft(
      [{ kind: 'check_user', tid: TENANT, oid: `oid-${who}` }],
      b.now * 1000,
    )
    await b.signIn(who, { session: sessionOf(who), newDevice: true })
    // The user has an open lock, and one that was lifted.
    const locking = {
      actor: OPERATOR,
      may: 'administer',
      operatorTenant: undefined,
      now: b.now,
    } as const
    const target = { kind: 'user', tid: TENANT, oid: `oid-${who}` } as const
    const { lock } = expectOutcome(await b.store.lock({ ...locking, target }), 'locked')
    await b.store.liftLock({
      id: lock.id,
      actor: OPERATOR,
      comment: `${who} was not meant`,
      now: b.now,
    })
    await b.store.lock({ ...locking, target })
    subs.push(sub)
  }
  const [alice = '', bob = ''] = subs
  return { alice, bob }
}

describe.each(STORES)('what is held about a user, on %s', (_name, make) => {
  const open = benches(make)

  test('is exported whole and without secrets: every table that names them, and nothing of another user', async () => {
    const b = await open()
    const { alice, bob } = await everything(b)
    const { records } = await exported(b, alice)
    const count = (kind: string) => records.filter((record) => record.kind === kind).length
    const expected: [string, number][] = [
      ['user', 1],
      ['floor', 1],
      ['lock', 2],
      ['consent', 1],
      ['microsoft_work', 1],
      ['audit', 2],
      // The history has two sign-ins and an end.
      ['history', 3],
      ['session', 2],
      ['participation', 2],
      // The deliveries are two logout tokens, and the webhook about a new device.
      ['delivery', 3],
      ['revocation', 3],
    ]
    expect(expected.map(([kind]) => [kind, count(kind)])).toEqual(expected)
    const text = JSON.stringify(records)
    expect(text).toContain('alice@contoso.example')
    expect(text).toContain('Firefox on Windows')
    expect(text).toContain('"alice was not meant"')
    expect(
      records.flatMap(({ values }) => (values['kind'] === 'webhook' ? [values] : [])),
    ).toMatchObject([
      {
        sub: alice,
        state: 'pending',
        payload: expect.stringContaining('"email":"alice@contoso.example"') as string,
      },
    ])
    // A random id may contain "bob". Each of these is longer, or has a character that no id has.
    expect(text).not.toMatch(
      /"bob"|oid-bob|bob@|bob was|cookie_hash|_sealed|a SEALED|salt"|personal_hash/,
    )
    expect(text).not.toContain(bob)
  })

  test('is the same in pages of any size', async () => {
    const b = await open()
    const { alice } = await everything(b)
    const whole = await exported(b, alice)
    const sorted = (records: HeldRecord[]) => records.map((record) => JSON.stringify(record)).sort()
    for (const limit of [1, 2, 3]) {
      const paged = await exported(b, alice, limit)
      expect(paged.pages).toBeGreaterThan(whole.pages)
      expect(sorted(paged.records)).toEqual(sorted(whole.records))
    }
  })

  test('of a user who was erased has ids alone; a user or a cursor that is not there has none', async () => {
    const b = await open()
    const { alice } = await everything(b)
    await b.store.eraseUser({ sub: alice, actor: OPERATOR, now: b.now })
    await b.fanOutAll()
    while (await b.store.forgetErased({ limit: 100 }));
    const text = JSON.stringify((await exported(b, alice)).records)
    expect(text).toContain(alice)
    expect(text).not.toMatch(/contoso\.example|Firefox|Case\.Worker/)
    expect(await b.store.exportUser({ sub: 'u_nobody', limit: 10 })).toBeUndefined()
    for (const cursor of ['99:', 'x', ''])
      expect(await b.store.exportUser({ sub: alice, cursor, limit: 10 })).toBeUndefined()
  })
})

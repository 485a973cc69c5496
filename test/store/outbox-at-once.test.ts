import fc from 'fast-check'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listDeliveries } from '../../db/outbox/lists.ts'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { runAct } from '../../db/postgres/executor.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { DELIVERY_STATES, PURGED_LATE, type AttemptResult } from '../../db/types.ts'
import { createDatabase, HAS_POSTGRES } from '../postgres.ts'
import { bench, benches, expectOutcome, signHeads, STORES, T0, type Bench } from './fixture.ts'

/**
 * Workers, operators and retention act on the same deliveries at once. Each test says what holds in
 * whichever order the acts commit.
 */

const MS = T0 * 1000
const DAY = 86_400
const USERS = Array.from({ length: 12 }, (_, i) => `user-${i}`)

const result = (
  attempt: number,
  outcome: 'delivered' | 'rejected' | 'failed' | 'retry',
): AttemptResult => {
  const proof = { attempt, atMs: MS, outcome, status: 200, latencyMs: 12 }
  return outcome === 'retry'
    ? { outcome, nextAttemptAtMs: MS, attempt: proof }
    : { outcome, attempt: proof }
}

async function signInAt(b: Bench, who: string, clients: readonly string[]): Promise<string> {
  const { session } = await b.signIn(who)
  for (const clientId of clients) await b.exchange(session.sid, clientId)
  return session.sid
}

/** Revokes a session of each user at these clients. Returns the ids of the pending deliveries. */
async function pending(b: Bench, ...clients: string[]): Promise<string[]> {
  for (const clientId of clients) await b.client(clientId)
  const ids: string[] = []
  for (const who of USERS) {
    const { committed } = expectOutcome(
      await b.revoke({ kind: 'session', sid: await signInAt(b, who, clients) }),
      'revoked',
    )
    ids.push(...committed.pending.map(({ id }) => id))
  }
  return ids
}

const stateOf = async (b: Bench, id: string) => (await b.store.findDelivery(id))?.state
const tally = (keys: string[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(keys, (key) => key)].map(([key, all]) => [key, all.length]))

/** Checks that the stored counts, by client and by revocation, match the rows. */
async function expectTrueCounts(b: Bench): Promise<void> {
  const all = (
    await Promise.all(
      DELIVERY_STATES.map((state) => b.store.listDeliveries({ state, limit: 1000 })),
    )
  ).flat()
  const counts = (await b.store.deliveryCounts()).map(({ clientId, state, count }) => [
    `${clientId} ${state}`,
    count,
  ])
  expect(Object.fromEntries(counts)).toEqual(
    tally(all.map(({ clientId, state }) => `${clientId} ${state}`)),
  )
  for (const [seq, own] of Map.groupBy(all, (delivery) => delivery.seq ?? 0)) {
    const { totals } = (await b.store.findRevocation(seq)) ?? {}
    expect(
      Object.fromEntries(Object.entries(totals ?? {}).filter(([, count]) => count > 0)),
    ).toEqual(tally(own.map(({ state }) => state)))
  }
}

describe.each(STORES)('two acts at once on deliveries, on %s', (_name, make) => {
  const open = benches(make)

  test('of two brokers that lease an attempt, one gets it; after its lease has expired, one again', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    for (const nowMs of [MS, MS + 10_000]) {
      const lease = (id: string) =>
        b.store.leaseDelivery({ id, attempt: 1, nowMs, untilMs: nowMs + 10_000 })
      const both = await Promise.all(ids.map((id) => Promise.all([lease(id), lease(id)])))
      for (const two of both)
        expect(two.map(({ outcome }) => outcome).toSorted()).toEqual(['leased', 'taken'])
    }
  })

  test('of results that are recorded together, one that the database does not take fails alone, and the sums are true', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney', 'perth')
    const [poisoned = '', cut = '', ...others] = ids
    const bad = {
      ...result(1, 'failed'),
      attempt: { ...result(1, 'failed').attempt, error: 'a \0 of the receiver' },
    } as AttemptResult
    const answers = await Promise.allSettled([
      ...others.map((id, n) =>
        b.store.recordDelivery({ id, result: result(1, n % 3 === 0 ? 'retry' : 'delivered') }),
      ),
      b.store.recordDelivery({ id: poisoned, result: bad }),
      b.store.recordDelivery({
        id: cut,
        result: {
          ...result(1, 'failed'),
          attempt: { ...result(1, 'failed').attempt, error: 'cut: \uD83D' },
        } as AttemptResult,
      }),
      b.store.recordDelivery({ id: 'nowhere', result: result(1, 'delivered') }),
    ])
    expect((await b.store.findDelivery(cut))?.lastError).toBe('cut: \uFFFD')
    expect(answers.slice(0, others.length)).toEqual(
      others.map(() => ({ status: 'fulfilled', value: true })),
    )
    expect(answers.at(-1)).toEqual({ status: 'fulfilled', value: false })
    expect(await stateOf(b, poisoned)).toBe(
      answers.at(-3)?.status === 'fulfilled' ? 'failed' : 'pending',
    )
    await expectTrueCounts(b)
  })

  test('of two results of one attempt, one is recorded, with one proof', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    await Promise.all(
      ids.map(async (id) => {
        const record = (outcome: 'delivered' | 'failed') =>
          b.store.recordDelivery({ id, result: result(1, outcome) })
        const [delivered, failed] = await Promise.all([record('delivered'), record('failed')])
        expect([delivered, failed].toSorted()).toEqual([false, true])
        expect(await stateOf(b, id)).toBe(delivered ? 'delivered' : 'failed')
        expect(await b.store.attemptsOf(id)).toHaveLength(1)
      }),
    )
    await expectTrueCounts(b)
  })

  test('two redrives at once make each failed delivery pending once', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney', 'perth')
    for (const id of ids) await b.store.recordDelivery({ id, result: result(1, 'failed') })
    const both = await Promise.all([
      b.store.redrive({}),
      b.store.redrive({ clientId: 'perth' }),
      b.store.redrive({}),
    ])
    const redriven = both.flat().map(({ id }) => id)
    expect(redriven.toSorted()).toEqual(ids.toSorted())
    await expectTrueCounts(b)
  })

  test('a close beside an attempt under way: delivered stays delivered, anything else is closed', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    await Promise.all(
      ids.map(async (id, i) => {
        const outcome = i % 2 === 0 ? 'delivered' : 'retry'
        await b.store.leaseDelivery({ id, attempt: 1, nowMs: MS, untilMs: MS + 10_000 })
        await Promise.all([
          b.store.closeDeliveries({ id, reason: 'gone' }),
          b.store.recordDelivery({ id, result: result(1, outcome) }),
        ])
        expect(await stateOf(b, id)).toBe(outcome === 'delivered' ? 'delivered' : 'closed')
      }),
    )
    await expectTrueCounts(b)
  })

  test('a close beside a lease: what is leased afterwards is not pending any more', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    const lease = (id: string) =>
      b.store.leaseDelivery({ id, attempt: 1, nowMs: MS, untilMs: MS + 10_000 })
    const [closed, ...leased] = await Promise.all([
      b.store.closeDeliveries({ reason: 'gone' }),
      ...ids.map(lease),
    ])
    expect(closed).toHaveLength(ids.length)
    for (const { outcome } of leased) expect(['leased', 'settled']).toContain(outcome)
    for (const id of ids) expect((await lease(id)).outcome).toBe('settled')
    await expectTrueCounts(b)
  })

  test('a redrive beside the record of a last attempt leaves it failed or pending, and it can be redriven then', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    const record = (id: string) => b.store.recordDelivery({ id, result: result(1, 'failed') })
    const [redriven] = await Promise.all([b.store.redrive({}), ...ids.map(record)])
    const later = await b.store.redrive({})
    expect([...redriven, ...later].map(({ id }) => id).toSorted()).toEqual(ids.toSorted())
    for (const id of ids)
      expect(await b.store.findDelivery(id)).toMatchObject({ state: 'pending', attempts: 0 })
    await expectTrueCounts(b)
  })

  test('a newer revocation beside the record of an older delivery: delivered stays delivered, anything else is superseded', async () => {
    const b = await open()
    await b.client('sydney')
    await Promise.all(
      USERS.map(async (who, i) => {
        const outcome = i % 2 === 0 ? 'delivered' : 'rejected'
        const sid = await signInAt(b, who, ['sydney'])
        const { committed } = expectOutcome(
          await b.revoke({ kind: 'grant', sid, clientId: 'sydney' }),
          'revoked',
        )
        const { id = '' } = committed.pending[0] ?? {}
        await Promise.all([
          b.revoke({ kind: 'session', sid }),
          b.store.recordDelivery({ id, result: result(1, outcome) }),
        ])
        expect(await stateOf(b, id)).toBe(outcome === 'delivered' ? 'delivered' : 'superseded')
      }),
    )
    await expectTrueCounts(b)
  })
})

describe.each(STORES)('retention on two brokers at once, on %s', (_name, make) => {
  const open = benches(make)

  /** Purges by two brokers at once, each until it finds nothing more. */
  const purgeTwice = async (b: Bench, now: number): Promise<void> => {
    const purge = async () => {
      for (const kind of PURGED_LATE) while (await b.store.purge({ kind, now, limit: 5 }));
    }
    await Promise.all([purge(), purge()])
  }

  test('deletes what is old, each row once, and keeps what is pending with its revocation', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney', 'perth')
    const [kept = '', ...settled] = ids.toReversed()
    for (const id of settled) await b.store.recordDelivery({ id, result: result(1, 'delivered') })
    await signHeads(b.store)
    await purgeTwice(b, T0 + 100 * DAY)
    expect((await b.store.listDeliveries({ limit: 100 })).map(({ id }) => id)).toEqual([kept])
    expect(await b.store.deliveryCounts()).toMatchObject([{ state: 'pending', count: 1 }])
    for (const id of settled) expect(await b.store.attemptsOf(id)).toEqual([])
    // The signed head of the chain is not before this revocation, so that the log keeps all of it.
    const { seq } = (await b.store.findDelivery(kept)) ?? {}
    expect(await b.store.findRevocation(seq ?? 0)).toMatchObject({
      totals: { pending: 1, delivered: 1 },
    })
  })

  test('cuts both logs at a signed head, and what is left has no gap', async () => {
    const b = await open()
    const audit = () =>
      b.store.appendAudit({
        actor: { kind: 'operator', id: 'olga' },
        via: 'command',
        act: 'revoke',
      })
    for (const who of USERS) {
      await b.revoke({ kind: 'session', sid: await signInAt(b, who, []) })
      await audit()
      if (who === USERS[8]) await signHeads(b.store)
    }
    await purgeTwice(b, T0 + 800 * DAY)
    expect((await b.store.listRevocations({ limit: 100 })).map(({ seq }) => seq)).toEqual([
      12, 11, 10,
    ])
    expect((await b.store.listAudit({ limit: 100 })).map(({ id }) => id)).toEqual([12, 11, 10])
  })

  test('deletes beside an operator who redrives and closes, and the counts stay true', async () => {
    const b = await open()
    const ids = await pending(b, 'sydney')
    for (const id of ids) await b.store.recordDelivery({ id, result: result(1, 'failed') })
    await Promise.all([
      purgeTwice(b, T0 + 100 * DAY),
      b.store.redrive({}),
      b.store.closeDeliveries({ reason: 'gone' }),
    ])
    await expectTrueCounts(b)
  })
})

const nat = fc.nat(1000)
const act = fc.oneof(
  fc.record({ do: fc.constant('lease' as const), of: nat }),
  fc.record({
    do: fc.constant('record' as const),
    of: nat,
    outcome: fc.constantFrom('delivered', 'rejected', 'failed', 'retry'),
  }),
  fc.record({ do: fc.constant('release' as const), of: nat }),
  fc.record({ do: fc.constant('redrive' as const), of: nat, all: fc.boolean() }),
  fc.record({ do: fc.constant('close' as const), of: nat }),
  fc.record({ do: fc.constant('revoke' as const), of: nat }),
)
type OutboxStep = typeof act extends fc.Arbitrary<infer T> ? T : never

/** Deliveries of grants that were revoked, in sessions that live on. */
class Run {
  readonly b: Bench
  readonly sids: string[] = []
  readonly ids: string[] = []
  readonly delivered = new Set<string>()

  constructor(b: Bench) {
    this.b = b
  }

  async begin(): Promise<void> {
    for (const clientId of ['sydney', 'perth']) await this.b.client(clientId)
    for (const who of ['alice', 'bob']) {
      const sid = await signInAt(this.b, who, ['sydney', 'perth'])
      this.sids.push(sid)
      for (const clientId of ['sydney', 'perth']) {
        const { committed } = expectOutcome(
          await this.b.revoke({ kind: 'grant', sid, clientId }),
          'revoked',
        )
        this.ids.push(...committed.pending.map(({ id }) => id))
      }
    }
  }

  async do(action: OutboxStep, attempts: ReadonlyMap<string, number>): Promise<void> {
    const { store } = this.b
    const id = this.ids[action.of % this.ids.length] ?? ''
    const attempt = (attempts.get(id) ?? 0) + 1
    if (action.do === 'lease')
      await store.leaseDelivery({ id, attempt, nowMs: MS, untilMs: MS + 1000 })
    else if (action.do === 'release')
      await store.releaseDelivery({ id, attempt, nextAttemptAtMs: MS })
    else if (action.do === 'redrive') await store.redrive(action.all ? {} : { id })
    else if (action.do === 'close') await store.closeDeliveries({ id, reason: 'gone' })
    else if (action.do === 'revoke')
      await this.b.revoke({ kind: 'session', sid: this.sids[action.of % this.sids.length] ?? '' })
    else if (
      (await store.recordDelivery({ id, result: result(attempt, action.outcome) })) &&
      action.outcome === 'delivered'
    )
      this.delivered.add(id)
  }

  /** Does the acts all at once. */
  async round(acts: readonly OutboxStep[]): Promise<void> {
    const rows = await Promise.all(this.ids.map((id) => this.b.store.findDelivery(id)))
    const attempts = new Map(rows.map((row) => [row?.id ?? '', row?.attempts ?? 0]))
    await Promise.all(acts.map((action) => this.do(action, attempts)))
  }
}

describe.each(STORES)('whatever workers and operators do at once, on %s', (_name, make) => {
  test('a delivered row never changes its state, and the counts are right', async () => {
    const rounds = fc.array(fc.array(act, { minLength: 2, maxLength: 8 }), {
      minLength: 1,
      maxLength: 4,
    })
    const property = fc.asyncProperty(rounds, async (all) => {
      const under = make()
      const b = await bench(under)
      try {
        const run = new Run(b)
        await run.begin()
        for (const acts of all) {
          await run.round(acts)
          for (const id of run.delivered) expect(await stateOf(b, id)).toBe('delivered')
          await expectTrueCounts(b)
        }
      } finally {
        await b.close()
        await under.remove()
      }
    })
    await fc.assert(property, { numRuns: 12 })
  })
})

test.skipIf(!HAS_POSTGRES)(
  'a list on Postgres has each delivery once, though its state changes while it is read',
  async () => {
    const database = await createDatabase()
    const b = await bench({
      open: (nowMs) => openPostgresStore({ url: database.url, nowMs }),
      remove: () => database.drop(),
    })
    const client = new Client(connectionConfig(database.url))
    await client.connect()
    onTestFinished(async () => {
      await client.end()
      await b.close()
    })
    const [id = ''] = await pending(b, 'sydney')
    const { seq } = (await b.store.findDelivery(id)) ?? {}
    const listed = async (change: () => Promise<unknown>) => {
      const changing: Parameters<typeof runAct>[0] = {
        async query(statement) {
          const answer = await client.query<Record<string, unknown>>(statement)
          await change()
          return answer
        },
      }
      const sources = { nowMs: () => MS, isCertain: () => false, newId: () => id }
      const { value } = await runAct(changing, sources, listDeliveries({ seq, limit: 9 }))
      return value.map((delivery) => delivery.id)
    }
    const fail = () => b.store.recordDelivery({ id, result: result(1, 'failed') })
    const redrive = () => b.store.redrive({ id })
    expect(await listed(fail)).toEqual([id])
    expect(await stateOf(b, id)).toBe('failed')
    expect(await listed(redrive)).toEqual([id])
    expect(await stateOf(b, id)).toBe('pending')
  },
)

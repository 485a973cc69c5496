import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Selector } from '../../src/protocol/revocation.ts'
import { bench, codeFor, redemptionOf, STORES, type Bench } from './fixture.ts'
import { Model } from './model.ts'

const CLIENTS = ['sydney', 'melbourne']
const USERS = ['alice', 'bob', 'carol']
const TENANTS = ['tenant-1', 'tenant-2']

/** Numbers that the run reads as "one of those that exist by now". */
const nat = fc.nat(1000)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('signIn' as const), who: nat }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('exchange' as const), session: nat, client: nat }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('refresh' as const), family: nat, back: fc.nat(3) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      kind: nat,
      session: nat,
      client: nat,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 31, 61, 300, 1000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('fan_out' as const),
      limit: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const pick = <T>(list: readonly T[], n: number): T | undefined =>
  list.length === 0 ? undefined : list[n % list.length]

/** Does each step in the store and in the model, and demands the same answer of both. */
class Run {
  readonly b: Bench
  readonly model = new Model()

  constructor(b: Bench) {
    this.b = b
  }

  async step(action: Step): Promise<void> {
    if (action.do === 'wait') this.b.now += action.seconds
    else if (action.do === 'fan_out') await this.b.store.fanOutPending({ limit: action.limit })
    else if (action.do === 'signIn') await this.signIn(action.who)
    else if (action.do === 'exchange') await this.exchange(action.session, action.client)
    else if (action.do === 'refresh') await this.refresh(action.family, action.back)
    else if (action.do === 'revoke') await this.revoke(action)
    else await this.sweep()
  }

  async signIn(n: number): Promise<void> {
    const tid = pick(TENANTS, n) ?? ''
    const limits = { idleSeconds: 900, absoluteAt: this.b.now + 2000 }
    const { session } = await this.b.signIn(pick(USERS, n), { tid, session: limits })
    const { sid, sub, openedSeq } = session
    expect(openedSeq).toBe(this.model.log.length)
    this.model.sessions.push({ sid, sub, tid, openedSeq, activeAt: this.b.now, ...limits })
  }

  async exchange(sessionNumber: number, clientNumber: number): Promise<void> {
    const session = pick(this.model.sessions, sessionNumber)
    const clientId = pick(CLIENTS, clientNumber) ?? ''
    if (session === undefined) return
    const code = codeFor(clientId, this.b.now)
    const status = await this.b.store.issueCode({ sid: session.sid, code, now: this.b.now })
    const live = this.model.isLive(session, this.b.now)
    expect(status.state).toBe(live ? 'live' : 'ended')
    if (!live) return
    this.model.touch(session, this.b.now)
    const redemption = redemptionOf(code, this.b.now)
    expect(await this.b.store.redeemAuthorizationCode(redemption)).toMatchObject({
      outcome: 'redeemed',
      rev: this.model.log.length,
    })
    this.model.joined.set(`${session.sid} ${clientId}`, this.model.log.length)
    const { familyId } = redemption
    this.model.families.push({
      familyId,
      sid: session.sid,
      clientId,
      generation: 1,
      openedSeq: this.model.log.length,
      replacedAt: [],
    })
  }

  async refresh(familyNumber: number, back: number): Promise<void> {
    const family = pick(this.model.families, familyNumber)
    if (family === undefined) return
    const generation = family.generation - back
    const { familyId, clientId } = family
    const answer = await this.b.store.rotateRefreshToken({
      familyId,
      clientId,
      generation,
      now: this.b.now,
    })
    const expected = this.model.refresh(family, generation, this.b.now)
    expect(answer.outcome === 'rejected' ? answer.why : answer.outcome).toBe(expected)
    if ('family' in answer)
      expect(answer).toMatchObject({
        family: { generation: family.generation },
        rev: this.model.log.length,
      })
  }

  async revoke({
    kind,
    session: n,
    client,
  }: {
    kind: number
    session: number
    client: number
  }): Promise<void> {
    const session = pick(this.model.sessions, n)
    if (session === undefined) return
    const { sid, sub, tid } = session
    const clientId = pick(CLIENTS, client) ?? ''
    // Narrow selectors come more often, because after a wide one little is left to check.
    const selectors: Selector[] = [
      { kind: 'session', sid },
      { kind: 'grant', sid, clientId },
      { kind: 'session', sid },
      { kind: 'grant', sid, clientId },
      { kind: 'subject', sub },
      { kind: 'client', clientId },
      { kind: 'subject', sub },
      { kind: 'tenant', tid },
      { kind: 'everything' },
    ]
    const selector = pick(selectors, kind) ?? { kind: 'everything' }
    expect((await this.b.revoke(selector)).outcome).toBe(this.model.revoke(selector))
  }

  async sweep(): Promise<void> {
    const ended = await this.b.store.expireSessions({ now: this.b.now, limit: 100 })
    const sids = ended.map(({ revocation }) =>
      'sid' in revocation.selector ? revocation.selector.sid : '',
    )
    const due = this.model.sessions.filter(
      (session) => !this.model.isRevoked(session) && this.model.isOver(session, this.b.now),
    )
    expect(sids.toSorted()).toEqual(due.map(({ sid }) => sid).toSorted())
    for (const sid of sids) this.model.append({ kind: 'session', sid })
  }

  /** Checks what must be true after any sequence. */
  async settle(): Promise<void> {
    await this.sweep()
    await this.b.fanOutAll(2)
    const { store, now } = this.b
    expect(
      (await store.revocationsAfter({ after: 0, since: 0, limit: 1000 })).map(
        ({ seq, selector }) => ({ seq, selector }),
      ),
    ).toEqual(this.model.log)
    const pending = await store.listDeliveries({ limit: 10_000 })
    for (const session of this.model.sessions) {
      const live = this.model.isLive(session, now)
      expect((await store.statusBySid(session.sid, now)).state).toBe(live ? 'live' : 'ended')
      for (const { clientId } of await store.participants(session.sid)) {
        const delivered = pending.some(
          (delivery) =>
            delivery.clientId === clientId &&
            delivery.sid === session.sid &&
            delivery.state === 'pending' &&
            delivery.supersededBy === undefined,
        )
        const joined = this.model.joined.get(`${session.sid} ${clientId}`) ?? 0
        const mustBeDelivered = !live || this.model.grantIsRevoked(session.sid, clientId, joined)
        // Participants of an ended session get a logout token; those of a live session get none,
        // but for a grant that has ended before.
        if (mustBeDelivered) expect(delivered).toBe(true)
        else if (!this.model.grantIsRevoked(session.sid, clientId, session.openedSeq))
          expect(delivered).toBe(false)
      }
    }
    const key = pending
      .filter(({ state, supersededBy }) => state === 'pending' && supersededBy === undefined)
      .map(({ targetId, sid }) => `${targetId} ${sid}`)
    expect(new Set(key).size).toBe(key.length)
    const counted = (await store.deliveryCounts()).reduce((sum, { count }) => sum + count, 0)
    expect(counted).toBe(pending.length)
    for (const { seq, totals } of await store.listRevocations({ limit: 1000 })) {
      const states = pending.filter((delivery) => delivery.seq === seq).map(({ state }) => state)
      for (const [state, count] of Object.entries(totals))
        expect(states.filter((candidate) => candidate === state)).toHaveLength(count)
    }
  }
}

describe.each(STORES)(
  'sessions, families and revocations against a model of them, on %s',
  (_name, make) => {
    test('they agree after every sequence of sign-ins, exchanges, refreshes, replays, revocations and expiries', async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }),
        async (steps) => {
          const under = make()
          const b = await bench(under)
          try {
            for (const clientId of CLIENTS) await b.client(clientId)
            const run = new Run(b)
            for (const action of steps) await run.step(action)
            await run.settle()
          } finally {
            await b.close()
            await under.remove()
          }
        },
      )
      // A failure prints its seed and path. By hand: another STORE_SEED, or a long run with
      // STORE_RUNS.
      const seed = Number(process.env.STORE_SEED) || 20_261_124
      await fc.assert(property, {
        numRuns: Number(process.env.STORE_RUNS) || 40,
        seed,
        interruptAfterTimeLimit: 300_000,
      })
    }, 320_000)
  },
)

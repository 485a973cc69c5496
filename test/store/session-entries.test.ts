import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Selector } from '../../src/protocol/revocation.ts'
import { PURGED_LATE, PURGED_SOON, type Revocation } from '../../db/types.ts'
import { ENTRY_SECONDS, entriesFor } from '../../src/revocation/feed-wire.ts'
import { bench, signHeads, STORES, T0, TENANT, type Bench } from './fixture.ts'

/**
 * A revocation that can end an instance's own session is kept until that session is over at the
 * latest, and each guard that begins to follow the log gets it.
 */

const HOUR = 3600
const DAY = 24 * HOUR
const CLIENTS = ['sydney', 'melbourne', 'perth']
const USERS = ['alice', 'bob']
const TENANTS = [TENANT, '22222222-3333-4444-8555-666666666666']

/** The claims of an ID token that an instance keeps with the session that it opened. */
interface OwnSession {
  clientId: string
  sid: string
  sub: string
  tid: string
  rev: number
  expiry: number
}

const covers = (selector: Selector, own: OwnSession): boolean => {
  if (selector.kind === 'session') return selector.sid === own.sid
  if (selector.kind === 'grant')
    return selector.sid === own.sid && selector.clientId === own.clientId
  if (selector.kind === 'subject') return selector.sub === own.sub
  if (selector.kind === 'client') return selector.clientId === own.clientId
  return selector.kind === 'everything' || selector.tid === own.tid
}

const selectorOf = ({
  selector,
}: {
  selector: ReturnType<typeof entriesFor>[number]['selector']
}) =>
  ('client_id' in selector ? { ...selector, clientId: selector.client_id } : selector) as Selector

const selectorFor = (kind: Selector['kind'], { sid, sub, tid, clientId }: OwnSession): Selector =>
  ({
    session: { kind: 'session', sid } as const,
    grant: { kind: 'grant', sid, clientId } as const,
    subject: { kind: 'subject', sub } as const,
    client: { kind: 'client', clientId } as const,
    tenant: { kind: 'tenant', tid } as const,
    everything: { kind: 'everything' } as const,
  })[kind]

/** Returns what a guard of the client knows that has just begun to follow the log. */
async function freshGuard(b: Bench, clientId: string, page = 1000) {
  const completeFrom = await b.store.sessionsKnownFrom()
  const rows: Revocation[] = []
  for (;;) {
    const found = await b.store.revocationsAfter({
      after: rows.at(-1)?.seq ?? 0,
      since: b.now - ENTRY_SECONDS,
      limit: page,
      sessionsOf: { clientId, now: b.now },
    })
    rows.push(...found)
    if (found.length < page) break
  }
  expect(rows.map(({ seq }) => seq)).toEqual(
    [...new Set(rows.map(({ seq }) => seq))].toSorted((a, c) => a - c),
  )
  const entries = entriesFor({ clientId, tenants: undefined, sessions: true }, rows)
    .filter((entry) => (entry.session_exp ?? 0) > b.now)
    .map((entry) => ({ seq: entry.seq, selector: selectorOf(entry) }))
  return {
    entries,
    judge(own: OwnSession): 'live' | 'ended' | 'unknown' {
      if (entries.some(({ seq, selector }) => seq > own.rev && covers(selector, own)))
        return 'ended'
      return own.rev < completeFrom ? 'unknown' : 'live'
    },
  }
}

const nat = fc.nat(1000)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('signIn' as const),
      who: nat,
      tenant: nat,
      /** The browser: one that has a session renews it. */
      browser: fc.nat(3),
      seconds: fc.constantFrom(HOUR, 12 * HOUR, DAY, 90 * DAY),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('enter' as const), session: nat, client: nat }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      kind: fc.constantFrom(
        'session',
        'session',
        'grant',
        'subject',
        'client',
        'tenant',
        'everything',
      ),
      own: nat,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('revokeByFormer' as const), own: nat }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('limit' as const),
      tenant: nat,
      seconds: fc.constantFrom(600, 2 * HOUR, 20 * HOUR),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 600, 2 * HOUR, 9 * HOUR, 23 * HOUR, 40 * DAY),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Run {
  readonly b: Bench
  readonly #browsers = new Map<number, string>()
  readonly #sessions: { sid: string; sub: string; tid: string }[] = []
  readonly #own: OwnSession[] = []
  readonly #revocations: { seq: number; selector: Selector }[] = []
  #formerSeq = 0

  constructor(b: Bench) {
    this.b = b
  }

  async do(step: Step): Promise<void> {
    const { b } = this
    if (step.do === 'wait') b.now += step.seconds
    if (step.do === 'signIn') await this.#signIn(step)
    if (step.do === 'enter') await this.#enter(step)
    if (step.do === 'revoke') await this.#revoke(step)
    if (step.do === 'revokeByFormer') await this.#revokeByFormer(step.own)
    if (step.do === 'limit')
      await b.store.applyAuthenticationAge({
        kind: 'tenant',
        key: TENANTS[step.tenant % 2]!,
        seconds: step.seconds,
        rows: 100,
      })
    if (step.do === 'sweep') await this.#sweep()
    await this.check()
  }

  async #signIn({ who, tenant, browser, seconds }: Extract<Step, { do: 'signIn' }>) {
    const { b } = this
    const tid = TENANTS[tenant % 2]!
    const signedIn = await b.signIn(`${USERS[who % 2]!}@${tid}`, {
      tid,
      browser: this.#browsers.get(browser) ?? 'none',
      session: { absoluteAt: b.now + seconds, idleSeconds: Math.min(seconds, 8 * HOUR) },
    })
    this.#browsers.set(browser, signedIn.cookie)
    this.#note(signedIn.committed.map(({ revocation }) => revocation))
    const { sid, sub } = signedIn.session
    if (!signedIn.renewed) this.#sessions.push({ sid, sub, tid })
  }

  async #enter({ session, client }: Extract<Step, { do: 'enter' }>) {
    const { b } = this
    const found = this.#sessions[session % (this.#sessions.length || 1)]
    if (found === undefined) return
    const status = await b.store.statusBySid(found.sid, b.now)
    if (status.state !== 'live' || status.session.absoluteAt - b.now < 61) return
    const clientId = CLIENTS[client % 3]!
    const { rev } = await b.exchange(found.sid, clientId)
    this.#own.push({ ...found, clientId, rev, expiry: status.session.absoluteAt })
  }

  async #revoke({ kind, own: n }: Extract<Step, { do: 'revoke' }>) {
    const own = this.#own[n % (this.#own.length || 1)]
    if (own === undefined) return
    const done = await this.b.revoke(selectorFor(kind, own))
    if (done.outcome === 'revoked') this.#note([done.committed.revocation])
    // The sign-in that is demanded after a session that had ended must be later.
    else this.b.now++
  }

  /** Revokes a session as 1.0.0-rc.2 does. */
  async #revokeByFormer(n: number) {
    const { b } = this
    const own = this.#own[n % (this.#own.length || 1)]
    if (own === undefined) return
    const seq = (await b.store.head()).seq + 1
    await b.run(`UPDATE log_head SET seq = seq + 1 WHERE id = 1;
      INSERT INTO revocations (seq, kind, sid, tid, reason, actor_kind, actor_id, at, at_ms, fan_out, sessions, hash, personal_hash)
        VALUES (${seq}, 'session', '${own.sid}', '${own.tid}', 'administrator', 'operator', 'test', ${b.now}, ${b.now * 1000}, 'complete', 1, '', '');
      UPDATE sessions SET ended_seq = ${seq}, ended_at = ${b.now}, ended_reason = 'administrator' WHERE sid = '${own.sid}' AND ended_seq IS NULL`)
    this.#note([{ seq, selector: { kind: 'session', sid: own.sid } }])
    this.#formerSeq = seq
  }

  async #sweep() {
    const { b } = this
    const committed = await b.store.expireSessions({ now: b.now, limit: 100 })
    this.#note(committed.map(({ revocation }) => revocation))
    await b.fanOutAll()
    await signHeads(b.store, b.now)
    for (const kind of [...PURGED_SOON, ...PURGED_LATE])
      while (
        await b.store.purge({
          kind,
          now: b.now,
          limit: 20,
          retention: {
            sessionDays: 1,
            revocationDays: 1,
            auditDays: 1,
            historyDays: 1,
            addressDays: 1,
          },
        })
      );
  }

  #note(revocations: readonly { seq: number; selector: Selector }[]): void {
    this.#revocations.push(...revocations.map(({ seq, selector }) => ({ seq, selector })))
  }

  async check(page?: number): Promise<void> {
    for (const clientId of CLIENTS) {
      const guard = await freshGuard(this.b, clientId, page)
      for (const own of this.#own)
        if (own.clientId === clientId && own.expiry > this.b.now) this.#expectRight(own, guard)
    }
  }

  #expectRight(own: OwnSession, guard: Awaited<ReturnType<typeof freshGuard>>): void {
    const truth = this.#revocations.some(
      ({ seq, selector }) => seq > own.rev && covers(selector, own),
    )
    const judged = guard.judge(own)
    // Only what 1.0.0-rc.2 revoked makes a session unknown.
    if (judged === 'unknown') expect(own.rev).toBeLessThan(this.#formerSeq)
    else expect({ own, judged }).toEqual({ own, judged: truth ? 'ended' : 'live' })
  }
}

/** Runs the steps on a new store. */
async function runSteps(make: (typeof STORES)[number][1], steps: readonly Step[]): Promise<void> {
  const under = make()
  const b = await bench(under)
  try {
    // Pending deliveries would keep an entry in the log.
    for (const clientId of CLIENTS) await b.client(clientId, { logoutUris: [] })
    const run = new Run(b)
    for (const each of steps) await run.do(each)
    await run.check(1)
  } finally {
    await b.close()
    await under.remove()
  }
}

const signIn = (seconds: number, browser = 0): Step => ({
  do: 'signIn',
  who: 0,
  tenant: 0,
  browser,
  seconds,
})
const enter = { do: 'enter', session: 0, client: 0 } as const
const sweep: Step = { do: 'sweep' }
const wait = (seconds: number): Step => ({ do: 'wait', seconds })
const limit: Step = { do: 'limit', tenant: 0, seconds: 600 }
const revoke = (kind: Selector['kind']) => ({ do: 'revoke', kind, own: 0 }) as const
/** The ways in which a session of 90 days ends; its end may have been lowered before. */
const ENDS: [string, Step[]][] = [
  ...(['session', 'grant', 'subject', 'client', 'tenant', 'everything'] as const).flatMap(
    (kind): [string, Step[]][] => [
      [`a revocation of ${kind}`, [revoke(kind)]],
      [`a revocation of ${kind} after its end was lowered`, [limit, revoke(kind)]],
    ],
  ),
  [
    'a revocation by 1.0.0-rc.2, before another',
    [
      { do: 'revokeByFormer', own: 0 },
      signIn(90 * DAY, 1),
      { ...enter, session: 1 },
      { ...revoke('session'), own: 1 },
    ],
  ],
  ['its idle limit', [wait(9 * HOUR)]],
  ['its end, which was lowered', [limit, wait(601)]],
  ['its end, which a renewal lowered', [signIn(600), wait(601)]],
]

describe.each(STORES)('what can end an own session, on %s', (name, make) => {
  test.each(ENDS)('is kept for 90 days: %s', (_end, steps) =>
    runSteps(make, [
      signIn(90 * DAY),
      enter,
      ...steps,
      sweep,
      ...[2 * HOUR, 21 * HOUR, 40 * DAY, 40 * DAY].flatMap((seconds) => [wait(seconds), sweep]),
    ]),
  )

  test('is brought to each guard that begins to follow the log, as long as the session may last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), (steps) =>
        runSteps(make, steps),
      ),
      { numRuns: name === 'sqlite' ? 40 : 4 },
    )
  })

  test('is brought to the clients that took part, and to no other', async () => {
    const under = make()
    const b = await bench(under)
    try {
      for (const clientId of CLIENTS) await b.client(clientId)
      const { session } = await b.signIn('alice', { session: { absoluteAt: T0 + 90 * DAY } })
      await b.exchange(session.sid, 'sydney')
      await b.exchange(session.sid, 'melbourne')
      await b.revoke({ kind: 'grant', sid: session.sid, clientId: 'melbourne' })
      await b.revoke({ kind: 'session', sid: session.sid })
      b.now += 2 * HOUR
      const seqs = await Promise.all(
        CLIENTS.map(async (clientId) =>
          (await freshGuard(b, clientId)).entries.map(({ seq }) => seq),
        ),
      )
      expect(seqs).toEqual([[2], [1, 2], []])
      b.now = T0 + 90 * DAY + 60
      expect((await freshGuard(b, 'sydney')).entries).toEqual([])
    } finally {
      await b.close()
      await under.remove()
    }
  })
})

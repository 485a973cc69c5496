import fc from 'fast-check'
import { Client, type Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connectionConfig } from '../../db/postgres/connect.ts'
import { fencedBy } from '../../db/postgres/engine.ts'
import { runAct } from '../../db/postgres/executor.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { leaseTogether } from '../../db/postgres/lease-deliveries.ts'
import { leaseDelivery } from '../../db/outbox/delivery-lease.ts'
import { rotateTogether } from '../../db/postgres/rotate.ts'
import type { Connecting } from '../../db/postgres/transact.ts'
import { beginChains } from '../../db/log/chain.ts'
import type { Engine } from '../../db/engine/act.ts'
import { checkTogether } from '../../db/postgres/access.ts'
import { checkAccess } from '../../db/token/access.ts'
import { rotateRefreshToken, type Input } from '../../db/token/rotate.ts'
import { createDatabase, HAS_POSTGRES, type Database } from '../postgres.ts'
import type { Store } from '../../db/store.ts'
import { StoreUnavailable, type Session, type TokenFamily } from '../../db/types.ts'
import { bench, codeFor, family, redemptionOf, T0, type Bench } from './fixture.ts'

/** The hot acts of Postgres: what they do as one statement is what the act does, or nothing. */

/**
 * Sequence numbers of openings, revocations and cutoffs: few, so that they are often before, at and
 * after each other.
 */
const seq = fc.nat(4)
const seconds = (from: number, to: number) => fc.integer({ min: T0 + from, max: T0 + to })
/** Returns mostly `value`, so that a single wrong member decides about a family and its request. */
const usually = <T>(value: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: other })
const families = fc.array(
  fc.record({
    session: fc.record({
      openedSeq: usually(4, seq),
      lastActiveAt: seconds(-70, 0),
      idleSeconds: usually(700, fc.integer({ min: 1, max: 100 })),
      absoluteAt: usually(T0 + 900, seconds(-1, 1)),
      markAt: usually<number | null>(null, seconds(-1, 2)),
      endedSeq: usually<number | null>(null, seq),
    }),
    subjectCutoff: usually(0, seq),
    clientCutoff: usually(0, seq),
    tenantCutoff: usually(0, seq),
    grantCutoff: usually(0, seq),
    openedSeq: usually(4, seq),
    generation: fc.integer({ min: 1, max: 3 }),
    /** The generation in the token, counted from the family's generation. */
    presented: usually(0, fc.integer({ min: -3, max: 1 })),
    replaced: fc.array(seconds(-40, 0), { maxLength: 3 }),
    full: usually(false, fc.constant(true)),
    rightClient: usually(true, fc.constant(false)),
    /** The key that the family is bound to, and the key that the request proves. */
    bound: fc.constantFrom(null, 'key'),
    proved: usually('key', fc.constantFrom(undefined, 'another key')),
    keeps: usually(false, fc.constant(true)),
  }),
  { minLength: 1, maxLength: 6 },
)
type Family = typeof families extends fc.Arbitrary<(infer F)[]> ? F : never

describe.skipIf(!HAS_POSTGRES)('acts together on Postgres', () => {
  let database: Database
  let client: Client
  const sources = { nowMs: () => T0 * 1000, isCertain: () => false, newId: () => 'id' }
  beforeAll(async () => {
    database = await createDatabase()
    client = new Client(connectionConfig(database.url))
    await client.connect()
  })
  afterAll(async () => {
    await client.end()
    await database.drop()
  })

  type Row = Record<string, string | number | null>
  async function insert(table: string, rows: Row[]): Promise<void> {
    const names = Object.keys(rows[0] ?? {}).join(', ')
    if (rows.length > 0)
      await client.query(
        `INSERT INTO ${table} (${names}) SELECT ${names} FROM jsonb_populate_recordset(NULL::${table}, $1)`,
        [JSON.stringify(rows)],
      )
  }

  const idsOf = (i: number) => ({
    sid: `s${i}`,
    sub: `u${i}`,
    tid: `t${i}`,
    client_id: `c${i}`,
    family_id: `f${i}`,
  })
  const sessionRow = ({ session }: Family, i: number): Row => ({
    sid: idsOf(i).sid,
    sub: idsOf(i).sub,
    tid: idsOf(i).tid,
    opened_seq: session.openedSeq,
    opened_at: T0,
    auth_time: T0,
    visit_started_at: T0,
    last_active_at: session.lastActiveAt,
    idle_seconds: session.idleSeconds,
    absolute_at: session.absoluteAt,
    mark_at: session.markAt,
    mark_reason: 'mfa_lapsed',
    deadline_at: Math.min(
      session.lastActiveAt + session.idleSeconds,
      session.absoluteAt,
      session.markAt ?? Infinity,
    ),
    roles: '["Case.Worker"]',
    stay_signed_in: 1,
    device: 'Firefox',
    cookie_hash: idsOf(i).sid,
    visit_ended_at: T0,
    probed_at: T0,
    probe_phase: 0,
    ended_seq: session.endedSeq,
    ended_at: T0,
    ended_reason: 'administrator',
  })
  function familyRow(family: Family, i: number): Row {
    const { sid, client_id, family_id } = idsOf(i)
    const replaced = family.full
      ? Array.from({ length: 128 }, () => T0 - 5)
      : family.replaced.toSorted((a, b) => a - b)
    return {
      family_id,
      sid,
      client_id,
      generation: family.generation,
      scope: 'openid',
      audience: 'a',
      jkt: family.bound,
      opened_seq: family.openedSeq,
      rotated_at: replaced.at(-1) ?? T0 - 20,
      replaced_at: JSON.stringify(replaced),
    }
  }
  const cutoffRows = (family: Family, i: number): Row[] =>
    [
      { kind: 'subject', key: idsOf(i).sub, seq: family.subjectCutoff },
      { kind: 'tenant', key: idsOf(i).tid, seq: family.tenantCutoff },
      { kind: 'client', key: idsOf(i).client_id, seq: family.clientCutoff },
    ].filter((row) => row.seq > 0)

  async function put(all: Family[], everything: number): Promise<Input[]> {
    await insert('log_head', [{ id: 1, seq: 7, epoch: 'e' }])
    // The chains begin, because an act appends each theft that is left to it.
    await runAct(client, sources, beginChains())
    await insert(
      'subjects',
      all.map((_, i) => ({ sub: idsOf(i).sub, tid: idsOf(i).tid, oid: `o${i}`, created_at: T0 })),
    )
    await insert('sessions', all.map(sessionRow))
    await insert(
      'participants',
      all.map(({ grantCutoff }, i) => {
        const { sid, client_id } = idsOf(i)
        return {
          sid,
          client_id,
          first_at: T0,
          last_at: T0 - 90,
          first_seq: 0,
          joined_seq: 0,
          grant_cutoff: grantCutoff,
        }
      }),
    )
    await insert('families', all.map(familyRow))
    await insert('cutoffs', [
      ...all.flatMap(cutoffRows),
      ...(everything > 0 ? [{ kind: 'everything', key: '', seq: everything }] : []),
    ])
    return all.map(({ rightClient, generation, presented, proved, keeps }, i) => {
      const { family_id: familyId, client_id } = idsOf(i)
      return {
        familyId,
        clientId: rightClient ? client_id : 'another',
        generation: generation + presented,
        jkt: proved,
        keeps,
        now: T0,
      }
    })
  }

  /** Returns the answer of `act` and the rows that it leaves behind, and then undoes it. */
  async function tried<T>(act: () => Promise<T>) {
    await client.query('SAVEPOINT before')
    const answers = await act()
    const rows = async (sql: string) => (await client.query<Record<string, unknown>>(sql)).rows
    const left = await rows(
      'SELECT * FROM families JOIN sessions USING (sid) JOIN participants USING (sid) ORDER BY family_id',
    )
    await client.query('ROLLBACK TO before')
    return { answers, left }
  }

  const actAlone = async (input: Input) =>
    (await runAct(client, sources, rotateRefreshToken(input))).value
  /** The test's own connection, with its transaction. */
  const ofTransaction = (asked: string | object): unknown =>
    asked === 'BEGIN' || asked === 'COMMIT' ? { command: asked } : client.query(asked as never)
  const here = {
    connect: async () => ({
      query: async (asked: string) => ofTransaction(asked),
      on: () => undefined,
      off: () => undefined,
      release: () => undefined,
    }),
  } as unknown as Pool

  test('their statements look each row up by its key, with whatever statistics they were planned', async () => {
    const token = { familyId: 'f', clientId: 'c', generation: 1, now: T0 }
    const texts: string[] = []
    const row = {
      place: 1,
      familyId: 'f',
      familyClient: 'c',
      generation: 1,
      familyOpenedSeq: 1,
      grantCutoff: 0,
      lock: null,
      freshUntil: null,
    }
    const session = {
      sid: 's',
      endedSeq: null,
      cutoff: 0,
      openedSeq: 1,
      lastActiveAt: T0,
      idleSeconds: 9,
      absoluteAt: T0 + 9,
      deadlineAt: T0 + 9,
      markAt: null,
      amr: null,
    }
    const query = async (asked: { name: string; text: string }) => {
      texts.push(asked.text)
      return {
        rows: asked.name === 'broker_read_families' ? [{ ...row, ...session, roles: '[]' }] : [],
      }
    }
    const taking = { connect: async () => ({ query, on() {}, off() {}, release() {} }) }
    await rotateTogether(taking as unknown as Pool, (read) => read())([token])
    await checkTogether(taking as unknown as Pool, (read) => read())([
      { sid: 's', sub: 'u', clientId: 'c', rev: 0, now: T0, touch: true },
    ])
    await leaseTogether(
      taking as unknown as Pool,
      (read) => read(),
      sources.nowMs,
    )([{ id: 'd', attempt: 1, nowMs: 0, untilMs: 1 }])
    await client.query('SET plan_cache_mode = force_generic_plan')
    for (const [i, text] of texts.entries()) {
      await client.query(`PREPARE together_${i} AS ${text}`)
      const lists = new Set(text.match(/\$\d+/g)).size
      const { rows } = await client.query<Record<string, string>>(
        `EXPLAIN EXECUTE together_${i}(${Array.from({ length: lists }, () => "'{}'").join(', ')})`,
      )
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
      expect(plan).toMatch(/Index Scan using (sessions|families|deliveries)_pkey/)
      expect(plan).not.toMatch(/Seq Scan|Hash Join|Merge Join|Join Filter/)
    }
    expect(texts).toHaveLength(4)
  })

  /** The conditions of each access check, besides those of its family. */
  const checks = fc.array(
    fc.record({
      rightUser: usually(true, fc.constant(false)),
      rev: usually(4, seq),
      touch: fc.boolean(),
      needs: fc.constantFrom(undefined, 'registered', 'removed', 'unknown'),
    }),
    { minLength: 6, maxLength: 6 },
  )

  test('access tokens checked together are valid where the act says so and writes nothing; everything else is left to it', async () => {
    let settled = 0
    const run: Engine['write'] = async (act) => (await runAct(client, sources, act())).value
    const engine: Engine = { read: run, write: run, writePage: run }
    const property = fc.asyncProperty(
      families,
      checks,
      usually(0, seq),
      async (all, asked, everything) => {
        await client.query('BEGIN')
        try {
          const metadata = {
            source: 'command',
            metadata: '{}',
            logout_by: 'sid',
            former_tenants: '[]',
            created_at: T0,
            updated_at: T0,
          }
          await insert('clients', [
            { client_id: 'registered', ...metadata, removed_at: null },
            { client_id: 'removed', ...metadata, removed_at: T0 },
          ])
          const inputs = (await put(all, everything)).flatMap(({ clientId }, i) =>
            asked.slice(0, 2 + (i % 4)).map(({ rightUser, ...rest }) => ({
              ...rest,
              sid: idsOf(i).sid,
              sub: rightUser ? idsOf(i).sub : 'another',
              clientId,
              now: T0,
            })),
          )
          const together = await tried(() => checkTogether(here, (read) => read())(inputs))
          for (const [i, input] of inputs.entries()) {
            const answer = together.answers[i]
            const alone = await tried(() => checkAccess(engine, input))
            if (answer !== undefined)
              expect({ answers: answer, left: together.left }).toEqual(alone)
            else if (alone.answers.outcome === 'good') expect(alone.left).not.toEqual(together.left)
            settled += answer === undefined ? 0 : 1
          }
        } finally {
          await client.query('ROLLBACK')
        }
      },
    )
    await fc.assert(property, { numRuns: 40 })
    expect(settled).toBeGreaterThan(20)
  })

  /**
   * Deliveries of the sessions of `families`, and how a lease asks for each. Its user may have
   * joined again since.
   */
  const deliveries = fc.array(
    fc.record({
      of: usually<'sid' | 'sub'>('sid', fc.constant('sub')),
      seq: usually<number | null>(0, fc.oneof(fc.constant(null), seq)),
      state: usually('pending', fc.constantFrom('delivered', 'superseded', 'failed')),
      attempts: fc.nat(1),
      dueInMs: usually(0, fc.integer({ min: -200, max: 200 })),
      leasedForMs: usually(0, fc.integer({ min: -1, max: 1 })),
      asks: fc.record({
        attempt: usually(1, fc.nat(3)),
        early: fc.boolean(),
        known: usually(true, fc.constant(false)),
      }),
      twice: usually(false, fc.constant(true)),
    }),
    { minLength: 6, maxLength: 6 },
  )

  test('leases together take what the act does and say the same of it, and leave everything else to it', async () => {
    let settled = 0
    const nowMs = T0 * 1000
    const property = fc.asyncProperty(families, deliveries, async (all, pending) => {
      await client.query('BEGIN')
      try {
        await put(all, 0)
        await insert(
          'targets',
          all.map((_, i) => ({
            target_id: `t${i}`,
            client_id: idsOf(i).client_id,
            uri: `https://c${i}.example`,
            added_seq: 0,
          })),
        )
        const rows = pending.slice(0, all.length)
        await insert(
          'deliveries',
          rows.map((row, i) => ({
            id: `d${i}`,
            kind: 'logout_token',
            seq: row.seq,
            client_id: idsOf(i).client_id,
            target_id: `t${i}`,
            sid: row.of === 'sid' ? idsOf(i).sid : null,
            sub: row.of === 'sub' ? idsOf(i).sub : null,
            payload: null,
            priority: 0,
            state: row.state,
            attempts: row.attempts,
            created_at_ms: nowMs,
            next_attempt_at_ms: nowMs + row.dueInMs,
            leased_until_ms: nowMs + row.leasedForMs,
          })),
        )
        const inputs = rows.flatMap(({ asks, attempts, twice }, i) => {
          const lease = {
            id: asks.known ? `d${i}` : 'unknown',
            attempt: attempts + asks.attempt,
            early: asks.early,
            nowMs,
            untilMs: nowMs + 15_000,
          }
          return twice ? [lease, lease] : [lease]
        })
        const left = () =>
          client.query<object>('SELECT * FROM deliveries ORDER BY id').then((result) => result.rows)
        const answered = await tried(async () => ({
          answers: await leaseTogether(here, (read) => read(), sources.nowMs)(inputs),
          rows: await left(),
        }))
        const together = answered.answers
        const alone = await tried(async () => {
          const answers = []
          for (const input of inputs)
            answers.push((await runAct(client, sources, leaseDelivery(input))).value)
          return { answers, rows: await left() }
        })
        // If two ask for one delivery, either may get it.
        const got = (of: readonly ({ outcome: string } | undefined)[]) =>
          of.filter((candidate) => candidate?.outcome === 'leased')
        expect(got(together.answers)).toEqual(got(alone.answers.answers))
        expect(
          together.answers.every((answer) => answer === undefined || answer.outcome === 'leased'),
        ).toBe(true)
        expect(together.rows).toEqual(alone.answers.rows)
        settled += got(together.answers).length
      } finally {
        await client.query('ROLLBACK')
      }
    })
    await fc.assert(property, { numRuns: 60 })
    expect(settled).toBeGreaterThan(20)
  })

  test('no delivery is leased by a process whose own lease has run out, which may be asking an isolated old primary', async () => {
    let asked = 0
    const mustBeFenced = (): void => {
      if (++asked === 2) throw new StoreUnavailable('not confirmed')
    }
    const fenced = fencedBy({ pool: { generation: 0 }, mustBeFenced })
    const leases = leaseTogether(
      here,
      fenced,
      sources.nowMs,
    )([{ id: 'd', attempt: 1, nowMs: 0, untilMs: 1 }])
    await expect(leases).rejects.toThrow('not confirmed')
  })

  test('no refresh token is rotated by a process whose own lease has run out meanwhile, which may be asking an isolated old primary', async () => {
    let asked = 0
    const mustBeFenced = (): void => {
      if (++asked === 2) throw new StoreUnavailable('not confirmed')
    }
    const fenced = fencedBy({ pool: { generation: 0 }, mustBeFenced })
    const rotations = rotateTogether(
      here,
      fenced,
    )([{ familyId: 'f', clientId: 'c', generation: 1, now: T0 }])
    await expect(rotations).rejects.toThrow('not confirmed')
  })

  test('rotations together answer and write what the act does, and leave everything else to it', async () => {
    let settled = 0
    const property = fc.asyncProperty(families, usually(0, seq), async (all, everything) => {
      await client.query('BEGIN')
      try {
        const inputs = await put(all, everything)
        const together = await tried(() => rotateTogether(here, (read) => read())(inputs))
        const isSettled = inputs.map((_, i) => together.answers[i] !== undefined)
        for (const input of inputs.filter((_, i) => !isSettled[i]))
          expect((await tried(() => actAlone(input))).answers.outcome).not.toBe('rotated')
        const alone = await tried(async () => {
          const answers = []
          for (const [i, input] of inputs.entries())
            answers.push(isSettled[i] ? await actAlone(input) : undefined)
          return answers
        })
        expect(together).toEqual(alone)
        settled += isSettled.filter(Boolean).length
      } finally {
        await client.query('ROLLBACK')
      }
    })
    await fc.assert(property, { numRuns: 100 })
    // The statement has settled some, so that not all was left to the act.
    expect(settled).toBeGreaterThan(20)
  })
})

describe.skipIf(!HAS_POSTGRES)('acts together on two brokers (Postgres)', () => {
  let database: Database
  let b: Bench
  let other: Store
  beforeAll(async () => {
    database = await createDatabase()
    const open = (nowMs: () => number) => openPostgresStore({ url: database.url, nowMs })
    b = await bench({ open, remove: () => undefined })
    other = await open(() => b.now * 1000)
    await b.client('sydney')
  })
  afterAll(async () => {
    await other.close()
    await b.close()
    await database.drop()
  })

  /** Signs in several users at once, so that they share statements. */
  const someFamilies = (): Promise<TokenFamily[]> =>
    Promise.all(
      Array.from({ length: 12 }, async (_, i) =>
        family((await b.exchange((await b.signIn(`user-${i}`)).session.sid, 'sydney')).family),
      ),
    )
  async function sessionBySid(sid: string): Promise<Session> {
    const found = await b.store.statusBySid(sid, b.now)
    if (found.state === 'unknown') throw new Error('There is no such session.')
    return found.session
  }
  const refresh = (store: Store, { familyId, clientId, generation }: TokenFamily) =>
    store.rotateRefreshToken({ familyId, clientId, generation, now: b.now })

  test('of uses of one token at once on both, one rotates and every other gets the same successor', async () => {
    let current = await someFamilies()
    for (let i = 0; i < 10; i++) {
      current = await Promise.all(
        current.map(async (tokenFamily) => {
          const answers = await Promise.all(
            [b.store, other, b.store, other].map((store) => refresh(store, tokenFamily)),
          )
          expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual([
            'replayed',
            'replayed',
            'replayed',
            'rotated',
          ])
          const successor = { ...tokenFamily, generation: tokenFamily.generation + 1 }
          expect(answers.map((answer) => 'family' in answer && answer.family)).toEqual(
            answers.map(() => successor),
          )
          return successor
        }),
      )
    }
  })

  test.each(['session', 'grant', 'subject'] as const)(
    'beside a revocation of its %s on the other, a rotation is rejected or its rev is covered by it',
    async (kind) => {
      for (let i = 0; i < 5; i++)
        await Promise.all(
          (await someFamilies()).map(async (tokenFamily) => {
            const { sid, clientId } = tokenFamily
            const { sub } = await sessionBySid(sid)
            const selector = {
              session: { kind: 'session', sid },
              grant: { kind: 'grant', sid, clientId },
              subject: { kind: 'subject', sub },
            } as const
            const revoke = other.revoke({
              selector: selector[kind],
              reason: 'administrator',
              actor: { kind: 'operator', id: 'test' },
              now: b.now,
            })
            const [answer, revoked] = await Promise.all([refresh(b.store, tokenFamily), revoke])
            if (revoked.outcome !== 'revoked') return expect.unreachable()
            if (answer.outcome === 'rotated')
              expect(answer.rev).toBeLessThan(revoked.committed.revocation.seq)
            else expect(answer).toEqual({ outcome: 'rejected', why: 'revoked' })
            const next = {
              ...tokenFamily,
              generation:
                answer.outcome === 'rotated' ? tokenFamily.generation + 1 : tokenFamily.generation,
            }
            expect(await refresh(b.store, next)).toEqual({ outcome: 'rejected', why: 'revoked' })
          }),
        )
    },
  )

  test.each(['session', 'subject'] as const)(
    'beside a revocation of its %s on the other, a redemption is rejected, or its rev is covered by it and its client gets a logout token',
    async (kind) => {
      const seqs: number[] = []
      for (let i = 0; i < 4; i++) {
        const issued = []
        for (let n = 0; n < 6; n++) {
          const { session } = await b.signIn(`user-${n}`)
          const code = codeFor('sydney', b.now)
          await b.store.issueCode({ sid: session.sid, code, now: b.now })
          issued.push({ session, code })
        }
        await Promise.all(
          issued.map(async ({ session, code }) => {
            const selector =
              kind === 'session'
                ? ({ kind, sid: session.sid } as const)
                : ({ kind, sub: session.sub } as const)
            const revoke = other.revoke({
              selector,
              reason: 'administrator',
              actor: { kind: 'operator', id: 'test' },
              now: b.now,
            })
            const [answer, revoked] = await Promise.all([
              b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
              revoke,
            ])
            if (revoked.outcome !== 'revoked') return expect.unreachable()
            const { seq: of } = revoked.committed.revocation
            if (answer.outcome !== 'redeemed')
              return expect(answer).toEqual({ outcome: 'rejected', why: 'revoked' })
            expect(answer.rev).toBeLessThan(of)
            expect(await refresh(b.store, family(answer.family))).toEqual({
              outcome: 'rejected',
              why: 'revoked',
            })
            seqs.push(of)
          }),
        )
      }
      await b.fanOutAll()
      const told = new Set(
        (await b.store.listDeliveries({ limit: 1000 })).map((delivery) => delivery.seq),
      )
      expect(seqs.filter((candidate) => !told.has(candidate))).toEqual([])
    },
  )

  test('a revocation that commits between the reading of a family and its rotation covers what the rotation gives', async () => {
    const [tokenFamily] = await someFamilies()
    if (tokenFamily === undefined) return expect.unreachable()
    const third = new Client(connectionConfig(database.url))
    await third.connect()
    const revoked: number[] = []
    const query = async (asked: { name: string }) => {
      const answer = await third.query<object>(asked as never)
      if (asked.name !== 'broker_read_families') return answer
      const { outcome, ...rest } = await b.revoke({ kind: 'session', sid: tokenFamily.sid })
      if (outcome === 'revoked' && 'committed' in rest) revoked.push(rest.committed.revocation.seq)
      return answer
    }
    const pool = {
      connect: async () => ({
        query,
        on: () => undefined,
        off: () => undefined,
        release: () => undefined,
      }),
    } as unknown as Connecting
    try {
      const [answer] = await rotateTogether(pool, (read) => read())([
        { ...tokenFamily, audience: undefined, now: b.now },
      ])
      expect(answer).toMatchObject({ outcome: 'rotated' })
      expect(revoked).toHaveLength(1)
      if (answer?.outcome === 'rotated') expect(answer.rev).toBeLessThan(revoked[0] ?? 0)
    } finally {
      await third.end()
    }
    expect(
      await refresh(b.store, { ...tokenFamily, generation: tokenFamily.generation + 1 }),
    ).toEqual({
      outcome: 'rejected',
      why: 'revoked',
    })
  })

  test('an access token is rejected by whatever check starts after its revocation was acknowledged on the other, beside checks under way', async () => {
    const all = await someFamilies()
    await Promise.all(
      all.map(async ({ sid, clientId }) => {
        const { sub } = await sessionBySid(sid)
        const check = () =>
          b.store.checkAccess({ sid, sub, clientId, rev: 1000, now: b.now, touch: true })
        const rejected = { outcome: 'rejected', why: 'revoked' }
        expect(await check()).toMatchObject({ outcome: 'good', session: { sid } })
        const underWay = Array.from({ length: 4 }, check)
        await other.revoke({
          selector: { kind: 'session', sid },
          reason: 'administrator',
          actor: { kind: 'operator', id: 'test' },
          now: b.now,
        })
        expect(await Promise.all([check(), check()])).toEqual([rejected, rejected])
        for (const answer of await Promise.all(underWay))
          expect(['good', 'rejected']).toContain(answer.outcome)
      }),
    )
  })

  test('of two brokers that lease the same deliveries at once, some of them locked, one gets each; when its lease has expired, one again', async () => {
    for (const { sid } of await someFamilies()) await b.revoke({ kind: 'session', sid })
    const refs = await b.store.listDeliveries({ state: 'pending', limit: 12 })
    expect(refs).toHaveLength(12)
    const third = new Client(connectionConfig(database.url))
    await third.connect()
    let [nowMs, untilMs] = [T0 * 1000, T0 * 1000 + 15_000]
    const leaseAll = (store: Store) =>
      Promise.all(refs.map(({ id }) => store.leaseDelivery({ id, attempt: 1, nowMs, untilMs })))
    const got = (answers: Awaited<ReturnType<typeof leaseAll>>) =>
      answers.flatMap((answer) => (answer.outcome === 'leased' ? [answer.delivery.id] : []))
    const ids = refs.map(({ id }) => id).toSorted()
    try {
      for (const locked of [ids.slice(0, 2), []]) {
        await third.query('BEGIN')
        await third.query('SELECT 1 FROM deliveries WHERE id = ANY($1) FOR UPDATE', [locked])
        const both = [leaseAll(b.store), leaseAll(other)]
        // The statement left some of the work to the act, which waits there on both brokers.
        await vi.waitFor(
          async () => {
            const { rows } = await third.query<{ waiting: number }>(
              'SELECT count(DISTINCT pid)::int AS waiting FROM pg_locks WHERE NOT granted',
            )
            expect(rows[0]?.waiting).toBe(2 * locked.length)
          },
          { timeout: 20_000 },
        )
        await third.query('COMMIT')
        expect((await Promise.all(both)).flatMap(got).toSorted()).toEqual(ids)
        expect(
          (await Promise.all([leaseAll(b.store), leaseAll(other)]))
            .flat()
            .map(({ outcome }) => outcome),
        ).toEqual(refs.flatMap(() => ['taken', 'taken']))
        // Both brokers die with the leases that they have.
        nowMs = untilMs
        untilMs += 15_000
      }
    } finally {
      await third.end()
    }
  })

  test('what a stranger sends and matches nothing waits for no lock of the log, and delays no revocation', async () => {
    const third = new Client(connectionConfig(database.url))
    await third.connect()
    try {
      await third.query('BEGIN')
      await third.query('SELECT 1 FROM log_head FOR UPDATE')
      const why = {
        reason: 'microsoft_signed_out',
        actor: { kind: 'microsoft', id: 'test' },
      } as const
      const unknown = redemptionOf(codeFor('sydney', b.now), b.now)
      expect(
        await Promise.all([
          b.store.endMicrosoftSession({ microsoftSid: 'unknown', ...why, now: b.now }),
          b.store.redeemAuthorizationCode(unknown),
          b.store.statusByCookie('unknown', b.now),
        ]),
      ).toMatchObject([[], { outcome: 'rejected' }, { state: 'unknown' }])
    } finally {
      await third.end()
    }
  })

  test('a value that Postgres does not take fails its own act alone', async () => {
    const all = await someFamilies()
    const [first] = all
    if (first === undefined) return expect.unreachable()
    const poisoned = [
      { familyId: 'a\0b' },
      { clientId: 'a\0b' },
      { familyId: '\uD800' },
      { generation: 1.5 },
      { generation: 2 ** 70 },
    ]
    const answers = await Promise.allSettled(
      [...poisoned.map((request) => ({ ...first, ...request })), ...all].map((request) =>
        refresh(b.store, request),
      ),
    )
    const outcomes = answers.map((answer) =>
      answer.status === 'fulfilled' ? answer.value.outcome : answer.status,
    )
    expect(outcomes.slice(poisoned.length)).toEqual(all.map(() => 'rotated'))
    expect(outcomes.slice(0, poisoned.length)).not.toContain('rotated')
  })
})

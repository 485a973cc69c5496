import { describe, expect, onTestFinished, test } from 'vitest'
import type { Store } from '../../db/store.ts'
import type { Delivery } from '../../db/types.ts'
import type { Client, OwnSessions } from '../../src/protocol/client-metadata.ts'
import { GuardLeases } from '../../src/revocation/guard-leases.ts'
import {
  receiptsOf,
  type Claim as ReceiptClaim,
  type Participant,
} from '../../src/revocation/receipt.ts'
import { effectiveOf } from '../../src/operations/acts/effective.ts'
import { codeFor, metadataOf, redemptionOf, sha, STORES, T0, TENANT } from './fixture.ts'

/**
 * The claims of receipts against what guards of a model could really accept: two brokers on
 * Postgres and one that is killed and started again on SQLite, guards whose streams hang, reports
 * that are lost or late, lengths that change, clients that are removed.
 */

const CLIENTS = ['sydney', 'perth', 'darwin'] as const
const LENGTHS = [1, 5, 30, 60]

/** A random number from 0 to 1, the same in each run with this seed. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A process of a broker. The guards' streams are open at it until it is killed. */
interface Process {
  store: Store
  leases: GuardLeases
  published: Map<number, number>
}
/** A process with a guard. It accepts what it does not enforce while it holds a lease. */
interface Guard {
  clientId: string
  guardId: string
  enforced: number
  leaseUntilMs: number
  /** Its streams ask for what ends sessions. */
  sessions: boolean
  at: Process | undefined
  hangs: boolean
  stream: string
  names: string[]
  reports: (() => Promise<unknown>)[]
}
interface Claim {
  noLaterThanMs: number
  seq: number
  clientId: string
}
/** A revocation with the clients of its session, and those whose own sessions nothing may bound. */
interface Revoked {
  seq: number
  atMs: number
  took: Set<string>
  unbounded: Set<string>
}

async function world(make: (typeof STORES)[number][1], seed: number) {
  const random = seeded(seed)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  let now = T0
  const nowMs = (): number => now * 1000
  const clock = { now: () => now, nowMs, elapsedMs: nowMs, steadyMs: nowMs }
  const under = make()
  let serial = 0
  const bytes = (size: number): Buffer => Buffer.alloc(size, `${seed} ${++serial} `)
  const started = async (kept?: Store): Promise<Process> => {
    // On SQLite one file has one process: its next one is stood in for by another name.
    const store = kept ? { ...kept, processId: `process-${++serial}` } : await under.open(nowMs)
    const leases = new GuardLeases({
      store,
      clock,
      random: bytes,
      config: { feedStreams: { ofClient: 500 } },
    })
    return { store, leases, published: new Map() }
  }
  const first = await started()
  const isAlone = (await first.store.brokers()).length === 0
  const processes = [first, ...(isAlone ? [] : [await started()])]
  onTestFinished(async () => {
    for (const { store } of processes) await store.close()
    await under.remove()
  })
  const lengths = new Map<string, number>()
  const ways = new Map<string, OwnSessions>()
  const put = async (clientId: string): Promise<void> => {
    const seconds = pick(LENGTHS)
    const ownSessions = pick(['none', 'guard', 'guard', 'logout_token'] as const)
    await pick(processes).store.putClient({
      clientId,
      source: 'command',
      metadata: metadataOf(clientId, {
        guardLeaseSeconds: seconds,
        accessTokenSeconds: pick([60, 90]),
        ownSessions,
        logoutUris: random() < 0.5 ? [] : [`https://${clientId}.example/backchannel`],
      }),
      now,
    })
    lengths.set(clientId, seconds)
    ways.set(clientId, ownSessions)
  }
  for (const clientId of CLIENTS) await put(clientId)
  const guards = CLIENTS.flatMap((clientId) =>
    ['web-1', 'web-1', 'web-2'].map((guardId): Guard => ({
      clientId,
      guardId,
      enforced: 0,
      leaseUntilMs: 0,
      at: undefined,
      hangs: false,
      sessions: random() < 0.8,
      stream: '',
      names: [],
      reports: [],
    })),
  )
  const granted = async (guard: Guard): Promise<void> => {
    if (guard.at === undefined || guard.hangs) return
    guard.enforced = (await guard.at.store.head()).seq
    const untilMs = nowMs() + (lengths.get(guard.clientId) ?? 1) * 1000
    guard.leaseUntilMs = Math.max(guard.leaseUntilMs, untilMs)
  }
  const left = (guard: Guard): void => {
    guard.at?.leases.left(guard.stream)
    guard.at = undefined
  }
  const acts: Record<string, () => unknown> = {
    async connect() {
      const guard = pick(guards)
      if (!lengths.has(guard.clientId)) return
      left(guard)
      const at = pick(processes)
      const { clientId, guardId } = guard
      guard.stream = at.leases.name('stream', clientId)
      await at.leases.open({ ...guard, clientId, guardId })
      guard.names = [...guard.names, guard.stream].slice(-20)
      Object.assign(guard, { at, hangs: false })
      await granted(guard)
    },
    async poll() {
      const guard = pick(guards)
      if (!lengths.has(guard.clientId)) return
      left(guard)
      const { clientId, guardId } = guard
      const at = pick(processes)
      if (!(await at.leases.resume({ clientId, stream: guard.stream, sessions: false }))) {
        guard.stream = at.leases.name('poller', clientId)
        await at.leases.open({ ...guard, clientId, guardId })
      }
      guard.names = [...guard.names, guard.stream].slice(-20)
      Object.assign(guard, { at, hangs: false })
      await granted(guard)
      guard.at = undefined
    },
    hang: () => (pick(guards).hangs = true),
    leave: () => left(pick(guards)),
    /** A new process begins without a lease; the old one may hold its own to the end. */
    restart() {
      const guard = pick(guards)
      left(guard)
      guards.push({ ...guard, at: undefined, hangs: true, reports: [] })
      Object.assign(guard, { enforced: 0, leaseUntilMs: 0, stream: '', names: [], reports: [] })
    },
    report() {
      const { clientId, guardId, enforced: enforcedSeq, names: streams, ...guard } = pick(guards)
      guard.reports.push(async () => {
        const { store } = pick(processes)
        const { epoch } = await store.head()
        const { reached } = await store.recordEnforced({
          clientId,
          guardId,
          epoch,
          enforcedSeq,
          streams,
          reportedAtMs: nowMs(),
        })
        await receipts(reached.map(({ seq }) => seq).filter(() => random() < 0.5))
      })
    },
    /** Reports arrive late, in any order, or never. */
    async arrive() {
      const { reports } = pick(guards)
      const [report] = reports.splice(Math.floor(random() * reports.length), 1)
      await report?.()
    },
    async answer() {
      const { store } = pick(processes)
      const pending = await store.listDeliveries({ state: 'pending', limit: 20 })
      if (pending.length > 0) await deliver(store, pick(pending), nowMs())
    },
    async change() {
      await put(pick(CLIENTS))
    },
    async remove() {
      if (random() < 0.7) return
      const clientId = pick(CLIENTS)
      const actor = { kind: 'operator', id: 'olga' } as const
      await pick(processes).store.removeClient({ clientId, source: 'any', actor, now })
      lengths.delete(clientId)
      for (const guard of guards) if (guard.clientId === clientId && random() < 0.5) left(guard)
    },
    async tend() {
      for (const { leases } of processes) {
        // The heartbeat of a process goes by real time.
        for (const other of processes) await other.store.knownHead(performance.now())
        await leases.tend()
      }
    },
    async kill() {
      if (random() < 0.7) return
      const at = Math.floor(random() * processes.length)
      const killed = processes[at] as Process
      for (const guard of guards) if (guard.at === killed) guard.at = undefined
      if (!isAlone) await killed.store.close()
      processes[at] = await started(isAlone ? killed.store : undefined)
    },
  }
  const revoke = async (): Promise<Revoked> => {
    const { store } = pick(processes)
    const signedIn = await store.signIn({
      session: {
        user: { tid: TENANT, oid: `oid-${++serial}` },
        authTime: now,
        visitStartedAt: now,
        idleSeconds: 28_800,
        absoluteAt: now + 43_200,
        roles: [],
        staySignedIn: false,
        device: '',
        cookieHash: sha(`${serial}`),
      },
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: `u_${seed}_${serial}`, sid: `s_${seed}_${serial}` },
      now,
    })
    if (signedIn.outcome !== 'signed_in') throw new Error(signedIn.outcome)
    const { sid } = signedIn.session
    for (const clientId of lengths.keys()) {
      const code = codeFor(clientId, now)
      await store.issueCode({ sid, code, now })
      await store.redeemAuthorizationCode(redemptionOf(code, now))
    }
    const by = pick(processes)
    const done = await by.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: 'u' },
      now,
    })
    if (done.outcome !== 'revoked') throw new Error(done.outcome)
    const { seq } = done.committed.revocation
    by.published.set(seq, nowMs())
    const unjudged = guards.filter((guard) => !guard.sessions && guard.leaseUntilMs > nowMs())
    const unbounded = [...ways].flatMap(([clientId, way]) =>
      way === 'guard' && unjudged.some((guard) => guard.clientId === clientId) ? [clientId] : [],
    )
    return { seq, atMs: nowMs(), took: new Set(lengths.keys()), unbounded: new Set(unbounded) }
  }
  const receipts = async (seqs: number[]) => {
    const { store, published } = pick(processes)
    const registered = new Map(
      (await store.listClients()).map((client) => [client.clientId, client]),
    )
    const feed = {
      publishedAtMs: (position: number) => published.get(position),
      knownForMs: (position: number) => nowMs() - (published.get(position) ?? nowMs()),
    }
    const clients = {
      find: (id: string): Client | undefined => registered.get(id),
      atLeast: () => undefined,
    }
    const deps = {
      store,
      clock,
      clients,
      feed,
      clockWatch: { isCompared: true, certainNow: clock.now },
    }
    return receiptsOf(deps as never, seqs)
  }
  return {
    random,
    pick,
    acts,
    guards,
    granted,
    revoke,
    receipts,
    nowMs,
    lengths,
    advance: (seconds: number) => (now += seconds),
  }
}

async function deliver(store: Store, { id, attempts }: Delivery, atMs: number): Promise<void> {
  const attempt = { attempt: attempts + 1, atMs, latencyMs: 5, status: 200 }
  await store.recordDelivery({
    id,
    result: { outcome: 'delivered', attempt: { ...attempt, outcome: 'delivered' } },
  })
}

const STATES = ['not_bounded', 'bounded', 'confirmed']
/** Throws if a claim is worse than it was before, or another proof has taken its place. */
function expectNoWorse(before: ReceiptClaim, now: ReceiptClaim): void {
  expect(STATES.indexOf(now.state)).toBeGreaterThanOrEqual(STATES.indexOf(before.state))
  if (before.noLaterThanMs !== undefined)
    expect(now.noLaterThanMs).toBeLessThanOrEqual(before.noLaterThanMs)
  if (before.state === 'confirmed') expect(now.by).toBe(before.by)
}

const ROUNDS = 120
/** How long after its revocation a claim is compared: longer than the longest lease. */
const COMPARED_SECONDS = 200

describe.each(STORES)('receipts (%s)', (_, make) => {
  const reached = new Set<string>()
  test.each([1, 2, 3, 4])(
    'claim nothing that a guard contradicts later, and get no worse (seed %i)',
    async (seed) => {
      const w = await world(make, seed)
      const open = new Map<number, Revoked>()
      const claims: Claim[] = []
      const before = new Map<string, Participant>()
      const accepting = (seq: number) =>
        w.guards.filter((guard) => guard.enforced < seq && guard.leaseUntilMs > w.nowMs())
      for (let round = 0; round < ROUNDS; round++) {
        if (w.random() < 0.2) {
          const revoked = await w.revoke()
          open.set(revoked.seq, revoked)
        }
        for (const name of ['connect', 'hang', 'report', 'arrive', 'arrive', 'tend'])
          if (w.random() < 0.6) await w.acts[name]?.()
        await w.acts[w.pick(Object.keys(w.acts))]?.()
        w.advance(w.pick([0, 0, 1, 3, 16]))
        for (const guard of w.guards) if (w.random() < 0.7) await w.granted(guard)
        const receipts = await w.receipts([...open.keys()])
        for (const [seq, { atMs, took, unbounded }] of open) {
          if (w.nowMs() - atMs > COMPARED_SECONDS * 1000) open.delete(seq)
          for (const { clientId, noLaterThanMs } of claims.filter((claim) => claim.seq === seq))
            for (const guard of accepting(seq))
              if (guard.clientId === clientId)
                expect([seq, clientId, w.nowMs()]).toEqual([
                  seq,
                  clientId,
                  Math.min(w.nowMs(), noLaterThanMs),
                ])
          const receipt = receipts.get(seq) ?? expect.unreachable()
          const { participants } = receipt
          const { state, noLaterThanMs: stoppedMs = Infinity } = effectiveOf(receipt)
          if (w.nowMs() > stoppedMs || state === 'confirmed')
            expect(accepting(seq).filter(({ clientId }) => took.has(clientId))).toEqual([])
          const named = new Set(participants.map((participant) => participant.clientId))
          for (const { clientId } of accepting(seq))
            if (took.has(clientId)) expect([...named]).toContain(clientId)
          for (const part of participants) {
            const { clientId, tokens, sessions } = part
            for (const { state, by } of [tokens, sessions])
              reached.add(state === 'confirmed' ? String(by) : state)
            const { noLaterThanMs = Infinity } = tokens
            claims.push({ seq, clientId, noLaterThanMs })
            if (unbounded.has(clientId) && sessions.by !== 'logout_token')
              expect(sessions.state).toBe('not_bounded')
            const last = before.get(`${seq} ${clientId}`)
            if (last !== undefined)
              for (const of of ['tokens', 'sessions'] as const) expectNoWorse(last[of], part[of])
            before.set(`${seq} ${clientId}`, part)
          }
        }
      }
    },
  )

  test('reach each proof and each state', () => {
    const proofs = ['expiry', 'lease', 'logout_token', 'none', 'report']
    expect(reached).toEqual(new Set([...proofs, 'bounded', 'not_bounded']))
  })
})

import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'
import type { DeliveryState } from '../../db/types.ts'
import { fanOutDeliveries } from '../../workers/fan-out-deliveries.ts'
import { forgetErased, purgeOld, purgeOneTime } from '../../workers/housekeeping.ts'
import { sweepExpired } from '../../workers/expiry.ts'
import { logoutUri, randomName, seed, TENANT } from '../servers/seed.ts'
import { metadataOf } from '../servers/registration.ts'
import { countCommits, watchLoop } from '../machine/loop-time.ts'
import { quantile } from '../machine/machine.ts'

/**
 * Measures each list, page, feed connection, purge, fan-out and backup on a large store: how long
 * it holds the event loop, and how slow refreshes beside it get.
 */

export interface Figure {
  name: string
  seconds: number
  /** The longest turn of the loop without COMMIT, by the clock and by processor time. */
  loopMs: number
  loopCpuMs: number
  /** The 99th percentile of the refreshes that run beside it. */
  refreshMs: number
}

export interface Plan {
  scale: number
  rounds: number
  /** The limit of an act that can run for long, in each round. */
  mostSeconds: number
  now: number
  /** Only acts whose name contains one of these texts are measured, besides refreshes alone. */
  named: string[]
  /** The directory that keeps the generated store. Each run measures on a copy of it. */
  keptIn: string | undefined
  say: (line: string) => void
}

const ALONE = 'refreshes alone'

const OPERATOR = { kind: 'operator', id: 'bench' } as const
const STATES: DeliveryState[] = [
  'pending',
  'delivered',
  'failed',
  'superseded',
  'rejected',
  'closed',
]

/** Measures the acts of the plan. The first figure is that of refreshes alone. */
export async function measureActs(plan: Plan): Promise<Figure[]> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-bounded-'))
  try {
    const store = await open(join(dir, 'broker.db'), plan)
    const bench = new ActsBench(store, plan)
    await reads(bench)
    await writes(bench)
    let copies = 0
    await bench.measure('backup', async () => {
      const copy = join(dir, `copy-${copies++}.db`)
      await store.backup(copy)
      // Deleted in a thread of Node's, because the kernel takes hundreds of milliseconds for so
      // large a file.
      await rm(copy)
    })
    await store.close()
    return bench.figures
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Generates the store, or copies it if an earlier run has kept it. */
async function place(file: string, plan: Plan): Promise<void> {
  if (plan.keptIn === undefined) return write(file, plan)
  const kept = join(plan.keptIn, `bounded-${plan.scale}.db`)
  if (!existsSync(kept)) {
    await write(file, plan)
    copyFileSync(file, kept)
  } else {
    plan.say(`A copy of ${kept}.`)
    copyFileSync(kept, file)
  }
}

async function write(file: string, { scale, now, say }: Plan): Promise<void> {
  await (await openSqliteStore({ file })).close()
  const of = (count: number): number => Math.round(count * scale)
  const size = {
    revocations: of(4_000_000),
    sessions: of(1_000_000),
    deliveries: of(2_000_000),
    audit: of(1_000_000),
  }
  say(
    `Writing ${size.revocations} revocations, ${size.sessions} sessions, ${size.deliveries} deliveries and ${size.audit} audit entries:`,
  )
  seed(file, size, { now, say })
  say(`  ${Math.round(statSync(file).size / 1e6)} MB`)
}

async function open(file: string, plan: Plan): Promise<Store> {
  const { now, say } = plan
  await place(file, plan)
  countCommits()
  const opening = performance.now()
  const store = await openSqliteStore({ file })
  say(`The store opened in ${Math.round(performance.now() - opening)} ms.`)
  for (let i = 0; i < 10; i++) {
    const clientId = `client-${i}`
    await store.putClient({
      clientId,
      source: 'command',
      now,
      metadata: metadataOf(clientId, logoutUri(clientId)),
    })
  }
  await store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: now })
  return store
}

class ActsBench {
  readonly store: Store
  readonly plan: Plan
  readonly figures: Figure[] = []
  constructor(store: Store, plan: Plan) {
    this.store = store
    this.plan = plan
  }

  /** Returns a function that is true until the round has reached its limit of time. */
  bounded(): () => boolean {
    const begun = performance.now()
    return () => performance.now() - begun < this.plan.mostSeconds * 1_000
  }

  /** Measures an act. Each figure is the median of the rounds by itself. */
  async measure(
    name: string,
    act: () => Promise<unknown>,
    rounds = this.plan.rounds,
  ): Promise<void> {
    if (name !== ALONE && !this.plan.named.some((text) => name.includes(text))) return
    const all: Omit<Figure, 'name'>[] = []
    for (let round = 0; round < rounds; round++) all.push(await this.#round(act))
    const median = (of: (run: Omit<Figure, 'name'>) => number): number => quantile(all.map(of), 0.5)
    const figure = {
      name,
      seconds: median((run) => run.seconds),
      loopMs: median((run) => run.loopMs),
      loopCpuMs: median((run) => run.loopCpuMs),
      refreshMs: median((run) => run.refreshMs),
    }
    this.figures.push(figure)
    this.plan.say(
      `${name}: ${figure.seconds.toFixed(2)} s, loop ${figure.loopCpuMs.toFixed(1)} ms, refreshes ${figure.refreshMs.toFixed(1)} ms`,
    )
  }

  async #round(act: () => Promise<unknown>): Promise<Omit<Figure, 'name'>> {
    const stop = refreshing(this.store, this.plan.now)
    await sleep(200)
    const loop = watchLoop()
    const begun = performance.now()
    await act()
    const seconds = (performance.now() - begun) / 1000
    // Refreshes run for at least a second, so that there are enough for a p99 even beside a short
    // act.
    await sleep(Math.max(0, 1_000 - seconds * 1_000))
    const { clockMs: loopMs, cpuMs: loopCpuMs } = loop()
    return { seconds, loopMs, loopCpuMs, refreshMs: await stop() }
  }
}

interface Grant {
  familyId: string
  generation: number
}

/**
 * Opens a session with its own refresh token. It is opened now, so that no earlier revocation
 * covers it.
 */
async function grant(store: Store, now: number): Promise<Grant> {
  const [codeHash, familyId] = [randomName(), randomName()]
  const user = { tid: 'refreshers', oid: randomName(), name: 'Refresher' }
  // Longer than the times of the seeded sessions, so that the sweep does not end this one.
  const times = {
    authTime: now,
    visitStartedAt: now,
    idleSeconds: 43_200,
    absoluteAt: now + 86_400,
  }
  const session = {
    user,
    ...times,
    roles: [],
    staySignedIn: false,
    device: 'bench',
    cookieHash: randomName(),
  }
  const redirectUri = 'https://a.example/callback'
  const code = {
    codeHash,
    clientId: 'client-0',
    redirectUri,
    scope: 'openid offline_access',
    audience: 'x',
    expiresAt: now + 600,
  }
  await store.signIn({
    session,
    code,
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${randomName()}`, sid: `s_${randomName()}` },
    now,
  })
  const redeemed = await store.redeemAuthorizationCode({
    codeHash,
    clientId: 'client-0',
    redirectUri,
    verifier: undefined,
    familyId,
    now,
  })
  // A revocation of everything came between sign-in and redemption.
  if (redeemed.outcome !== 'redeemed') return grant(store, now)
  return { familyId, generation: redeemed.family?.generation ?? 1 }
}

/**
 * Runs refreshes one after another in 8 lines until it is stopped.
 * @returns their p99 in milliseconds
 */
function refreshing(store: Store, now: number): () => Promise<number> {
  const took: number[] = []
  const stopped = new AbortController()
  const line = async (): Promise<void> => {
    let current = await grant(store, now)
    while (!stopped.signal.aborted) {
      const begun = performance.now()
      const answer = await store.rotateRefreshToken({ ...current, clientId: 'client-0', now })
      took.push(performance.now() - begun)
      // A revocation of everything ends the session. A new sign-in continues the line.
      current =
        answer.outcome === 'rotated'
          ? { ...current, generation: answer.family.generation }
          : await grant(store, now)
      await sleep(5)
    }
  }
  const lines = Promise.all(Array.from({ length: 8 }, line))
  return async () => {
    stopped.abort()
    await lines
    return quantile(took, 0.99)
  }
}

/** Reads what a guard gets that judges sessions and begins to follow the log. */
async function wholeSnapshot(store: Store, clientId: string, now: number): Promise<void> {
  for (let after = 0; ;) {
    const rows = await store.revocationsAfter({
      after,
      since: now - 3_660,
      limit: 1_000,
      sessionsOf: { clientId, now },
    })
    if (rows.length < 1_000) return
    after = rows.at(-1)?.seq ?? after
  }
}

async function reads(bench: ActsBench): Promise<void> {
  const {
    store,
    plan: { now },
  } = bench
  const feed = (after: number) => store.revocationsAfter({ after, since: now - 3_660, limit: 500 })
  await bench.measure(ALONE, () => sleep(3_000))
  const { seq: head } = await store.head()
  await bench.measure('feed: the first connection of a process', () => feed(head - 10), 1)
  await bench.measure('feed: 200 guards resume', () =>
    Promise.all(Array.from({ length: 200 }, () => feed(head - 10))),
  )
  await bench.measure('feed: 20 snapshots', () =>
    Promise.all(Array.from({ length: 20 }, () => feed(0))),
  )
  const forSessions = (clientId: string) => wholeSnapshot(store, clientId, now)
  await bench.measure('feed: a snapshot of 500,000 for sessions', () => forSessions('client-0'), 1)
  await bench.measure('feed: 20 snapshots of 55,000 for sessions', () =>
    Promise.all(Array.from({ length: 20 }, (_, n) => forSessions(`client-${1 + (n % 9)}`))),
  )
  await bench.measure('list: revocations', () => store.listRevocations({ limit: 100 }))
  for (const state of STATES)
    await bench.measure(`list: deliveries ${state}`, () =>
      store.listDeliveries({ state, limit: 100 }),
    )
  await bench.measure('list: deliveries of a client', () =>
    store.listDeliveries({ clientId: 'client-3', limit: 100 }),
  )
  await bench.measure('list: deliveries of a revocation', () =>
    store.listDeliveries({ seq: head, state: 'failed', limit: 100 }),
  )
  await bench.measure('pending targets', () => store.pendingTargets())
  await bench.measure('gauges: deliveries and sessions', () =>
    Promise.all([store.deliveryCounts(), store.liveSessionCount(now)]),
  )
  await bench.measure('search: a name that nobody has', () =>
    store.searchSessions({ text: 'absent', now, limit: 50 }),
  )
  await bench.measure('dry run: everything', () =>
    store.previewRevocation({ kind: 'everything' }, now),
  )
  await bench.measure('audit: a case that no entry has', () =>
    store.listAudit({ caseReference: 'absent', limit: 50 }),
  )
}

async function writes(bench: ActsBench): Promise<void> {
  const { store, plan } = bench
  const { now } = plan
  const steadyMs = (): number => performance.now()
  const clock = { now: () => now, nowMs: () => now * 1_000, steadyMs, elapsedMs: steadyMs }
  const retention = {
    sessionDays: 30,
    revocationDays: 90,
    auditDays: 730,
    historyDays: 90,
    addressDays: 30,
  }
  const clockWatch = { certainNow: () => now, disagrees: () => false, isCertain: () => true }
  const queue = { send: () => undefined }
  const deps = { store, clock, clockWatch, config: { retention }, queue }
  /** The workers read only these members of a broker's parts. */
  const worker = deps as unknown as Parameters<typeof purgeOld>[0] &
    Parameters<typeof fanOutDeliveries>[0] &
    Parameters<typeof sweepExpired>[0]
  let users = 0
  await bench.measure('ask Microsoft about every user', () =>
    store.askAboutEverybody({ tid: TENANT, now, nowMs: now * 1_000 }),
  )
  await bench.measure('erase a user', async () => {
    await store.eraseUser({ sub: `u_${++users}`, actor: OPERATOR, now })
    await forgetErased(deps, bench.bounded())
  })
  await bench.measure(
    'redrive the failed deliveries of a client',
    () => store.redrive({ clientId: 'client-1' }),
    1,
  )
  await bench.measure('purge', async () => {
    const going = bench.bounded()
    await purgeOneTime(worker, going)
    await purgeOld(worker, going)
  })
  const late = {
    ...worker,
    clock: { ...clock, now: () => now + 29_000 },
  }
  await bench.measure('sweep of expired sessions', () => sweepExpired(late, bench.bounded()))
  for (const selector of [
    { kind: 'client', clientId: 'client-4' },
    { kind: 'tenant', tid: TENANT },
    { kind: 'everything' },
  ] as const)
    await bench.measure(`fan-out: ${selector.kind}`, async () => {
      await store.revoke({ selector, reason: 'administrator', actor: OPERATOR, now })
      await fanOutDeliveries(worker, bench.bounded())
    })
  await bench.measure(
    'remove a tenant, with work for each user',
    () => store.removeTenant({ tid: TENANT, actor: OPERATOR, now }),
    1,
  )
}

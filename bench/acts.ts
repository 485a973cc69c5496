/**
 * `npm run bench:acts -- --store sqlite|postgres`: the processor time of broker and Postgres for a
 * refresh, a sign-in, a revocation, a delivery and a report, over HTTP, in one run, with a
 * projection for 1, 4 and 16 brokers. BENCH_SECONDS sets the duration. The last line is JSON.
 */
import { load } from './loader.ts'
import { cores, cpuSeconds, cpuSecondsOfAll, load1, pinLoader } from './machine.ts'
import { createMigrated, startPostgres, SYNCED, type PostgresServer } from './postgres.ts'
import { Receivers } from './receivers.ts'
import {
  REDIRECT_URI,
  serveRevocations,
  VERIFIER,
  type SeededSession,
} from './revocation-server.ts'
import { basic, openStage, waitFor, type Stage } from './stage.ts'
import { follow } from './streams.ts'
import { readOptions, usageError } from './options.ts'

const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
const AT_ONCE = 32
/** How often each act other than the refresh is measured. */
const COUNT = SECONDS * 250
const INSTANCES = 10
const TENANTS = {
  users: '77777777-7777-4777-8777-777777777777',
  everybody: '88888888-8888-4888-8888-888888888888',
}

export interface Cost {
  act: string
  perSecond: number
  /** Processor time for one act, in µs. */
  broker: number
  postgres: number
}

async function measure(store: 'sqlite' | 'postgres'): Promise<void> {
  const pinned = cores()
  const postgres = store === 'postgres' ? await openDatabase() : undefined
  console.log(
    `Node ${process.version}, ${store}, ${pinLoader(pinned)}; load of the machine before: ${load1()}.`,
  )
  const stage = await openStage(
    pinned?.[0],
    postgres === undefined ? {} : { BROKER_DATABASE_URL: postgres.url('broker') },
  )
  const receivers = await Receivers.open(INSTANCES)
  try {
    const costs = await allCosts(new Meter(stage, postgres), stage, receivers)
    const projected = postgres === undefined ? undefined : project(costs)
    console.log(`load of the machine after: ${load1()}`)
    console.log(JSON.stringify({ store, costs, projected }))
  } finally {
    await stage.stop()
    await receivers.close()
    await postgres?.stop()
  }
}

async function openDatabase(): Promise<PostgresServer> {
  const postgres = await startPostgres(SYNCED)
  await createMigrated(postgres)
  return postgres
}

/** Measures the processor time of broker and Postgres during an act. */
class Meter {
  readonly #stage: Stage
  readonly #postgres: PostgresServer | undefined
  constructor(stage: Stage, postgres: PostgresServer | undefined) {
    this.#stage = stage
    this.#postgres = postgres
  }

  /**
   * Measures an act and notes its cost.
   * @param act returns how often the act was done
   */
  async cost(name: string, act: () => Promise<number>): Promise<Cost> {
    const used = (): [number, number] => [
      cpuSeconds(this.#stage.pid),
      this.#postgres === undefined ? 0 : cpuSecondsOfAll(this.#postgres.pid),
    ]
    const [begun, before] = [performance.now(), used()]
    const count = await act()
    const [seconds, after] = [(performance.now() - begun) / 1000, used()]
    const each = (at: 0 | 1): number => Math.round(((after[at] - before[at]) / count) * 1e6)
    const one = {
      act: name,
      perSecond: Math.round(count / seconds),
      broker: each(0),
      postgres: each(1),
    }
    console.log(
      `${name.padEnd(58)} ${String(one.perSecond).padStart(6)}/s   ${one.broker} µs broker + ${one.postgres} µs Postgres`,
    )
    return one
  }
}

async function allCosts(meter: Meter, stage: Stage, receivers: Receivers): Promise<Cost[]> {
  await stage.register([{ clientId: 'apart', alg: 'ES256' }])
  const clients = receivers.uris.map((_, n) => `c${n}`)
  await stage.register(
    receivers.uris.map((logoutUri, n) => ({ clientId: `c${n}`, logoutUri, alg: 'ES256' })),
  )
  const costs: Cost[] = []
  const refreshTokens = await inLines(await opened(stage, AT_ONCE), (session) =>
    exchange(stage, session),
  )
  const target = {
    url: stage.url,
    authorization: basic('apart', stage.secret('apart')),
    refreshTokens,
  }
  await load(target, AT_ONCE, 1)
  // If many brokers share one load, fewer requests wait together at each of them, and Postgres gets
  // more statements. Smaller loads measure that.
  for (const atOnce of [32, 8, 2])
    costs.push(
      await meter.cost(
        `refresh, ${atOnce} at once`,
        async () => (await load(target, atOnce, SECONDS)).refreshes,
      ),
    )
  let sessions: SeededSession[] = []
  costs.push(
    await meter.cost('session opened, with a code (at the store)', async () => {
      // The sessions are opened just before their use, because a code is valid for a minute.
      sessions = await opened(stage, COUNT)
      return COUNT
    }),
  )
  let tokens: string[] = []
  costs.push(
    await meter.cost('code redeemed, with ID token ES256', async () => {
      tokens = await inLines(sessions, (session) => exchange(stage, session))
      return COUNT
    }),
  )
  costs.push(
    await meter.cost('grant revoked at /revoke', async () => {
      await inLines(tokens, (token) => revoke(stage, token))
      return COUNT
    }),
  )
  const users = Math.ceil(COUNT / 2 / INSTANCES)
  await stage.ask('sessions', { count: users, clients, tid: TENANTS.everybody, codes: false })
  costs.push(
    await meter.cost('logout token delivered, 10 of each user of a tenant', () =>
      deliverAll(stage, receivers, users * INSTANCES),
    ),
  )
  const report = await openGuards(stage)
  costs.push(await meter.cost('report of a guard, 100 for each revocation', report))
  return costs
}

const opened = async (stage: Stage, count: number): Promise<SeededSession[]> =>
  (await stage.ask('sessions', { count, clients: ['apart'], tid: TENANTS.users, codes: true }))
    .sessions

const exchange = async (stage: Stage, session: SeededSession): Promise<string> =>
  (await stage.exchange(session, 'apart', { uri: REDIRECT_URI, verifier: VERIFIER })).refresh_token

async function revoke(stage: Stage, token: string): Promise<void> {
  const headers = {
    authorization: basic('apart', stage.secret('apart')),
    'content-type': 'application/x-www-form-urlencoded',
  }
  const answer = await stage.pool.request({
    path: '/revoke',
    method: 'POST',
    headers,
    body: new URLSearchParams({ token }).toString(),
  })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`/revoke answered ${answer.statusCode}.`)
}

/**
 * Revokes all users of a tenant by one row, and waits until every delivery is written, sent and
 * recorded.
 */
async function deliverAll(stage: Stage, receivers: Receivers, count: number): Promise<number> {
  let delivered = 0
  receivers.onArrival(() => void delivered++)
  await stage.ask('revoke', { selector: { kind: 'tenant', tid: TENANTS.everybody } })
  await waitFor('every delivery to arrive', () => delivered >= count)
  await waitFor(
    'every delivery to be recorded',
    async () => (await stage.ask('state', {})).pending === 0,
  )
  return count
}

/**
 * Opens ten guards for each of ten clients. Returns the act in which sessions of all clients are
 * revoked one after the other, and each guard reports each.
 */
async function openGuards(stage: Stage): Promise<() => Promise<number>> {
  const clients = Array.from({ length: INSTANCES }, (_, n) => `r${n}`)
  await stage.register(clients.map((clientId) => ({ clientId, alg: 'ES256' })))
  let epoch = ''
  const guards: { clientId: string; guard: string; stream: string }[] = []
  for (const clientId of clients)
    for (let n = 0; n < 10; n++) {
      const guard = { clientId, guard: `g${n}`, stream: '' }
      guards.push(guard)
      await follow(stage, clientId, guard.guard, (text) => {
        guard.stream ||= /"stream":"([^"]+)"/.exec(text)?.[1] ?? ''
        epoch ||= /"epoch":"([^"]+)"/.exec(text)?.[1] ?? ''
      })
    }
  const { sessions } = await stage.ask('sessions', {
    ...{ count: SECONDS * 10, clients, tid: TENANTS.users, codes: false },
  })
  const report = async ({ clientId, guard, stream }: (typeof guards)[number], seq: number) => {
    const answer = await stage.pool.request({
      ...{ path: '/revocations/enforced', method: 'POST' },
      headers: {
        authorization: basic(clientId, stage.secret(clientId)),
        'content-type': 'application/json',
      },
      body: JSON.stringify({ epoch, seq, guard, streams: [stream] }),
    })
    await answer.body.dump()
    if (answer.statusCode !== 204) throw new Error(`A report was answered ${answer.statusCode}.`)
  }
  return async () => {
    for (const { sid } of sessions) {
      const { seq } = await stage.ask('revoke', { selector: { kind: 'session', sid } })
      await inLines(guards, (guard) => report(guard, seq))
    }
    return sessions.length * guards.length
  }
}

/** Runs an act for each item, a fixed number at a time. */
async function inLines<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const rest = items.entries()
  const answers: R[] = []
  const line = async (): Promise<void> => {
    for (const [index, item] of rest) answers[index] = await act(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, line))
  return answers
}

/** The processor cores that Postgres has to itself, in the projection. */
const POSTGRES_CORES = 4

interface Projected {
  brokers: number
  refreshesPerSecond: number
  bound: 'brokers' | 'Postgres'
}

/**
 * Projects the rate for several brokers. It is calculated, not measured: each broker has a core,
 * Postgres four, and nothing else costs. The cost in Postgres depends on how many refreshes each
 * broker has at once: 32 for one broker, 8 for four, 2 for sixteen.
 */
function project(costs: readonly Cost[]): Projected[] {
  const [one, four, sixteen] = costs
  const of = (brokers: number, cost: Cost | undefined): Projected => {
    const [byBrokers, byPostgres] = [
      (brokers * 1e6) / (one?.broker ?? Number.NaN),
      (POSTGRES_CORES * 1e6) / (cost?.postgres ?? Number.NaN),
    ]
    return {
      brokers,
      refreshesPerSecond: Math.round(Math.min(byBrokers, byPostgres)),
      bound: byBrokers < byPostgres ? 'brokers' : 'Postgres',
    }
  }
  const projected = [of(1, one), of(4, four), of(16, sixteen)]
  console.log(`\nCalculated: a core for each broker, ${POSTGRES_CORES} for Postgres`)
  for (const { brokers, refreshesPerSecond, bound } of projected)
    console.log(
      `   ${String(brokers).padStart(2)} brokers: ${refreshesPerSecond} refreshes/s, bound by ${bound}`,
    )
  const revocations = costs.find(({ act }) => act.startsWith('grant revoked'))
  console.log(
    `   revocations: ${revocations?.perSecond}/s however many brokers: each waits for the one before it (seq is in commit order)`,
  )
  return projected
}

const USAGE = `npm run bench:acts -- [options]
  --store NAME      sqlite or postgres (default sqlite)
  --help            prints this
  BENCH_SECONDS=S   what each act is measured for (default 4)`

const { values, positionals } = readOptions(USAGE, {
  store: { type: 'string', default: 'sqlite' },
})
const [role, dir = '', port, settings] = positionals
if (role === 'broker') await serveRevocations(dir, Number(port), settings)
else if (values.store === 'sqlite' || values.store === 'postgres') await measure(values.store)
else usageError(USAGE, `--store ${values.store}: use sqlite or postgres.`)

/**
 * `npm run bench revocation`: measures how soon a revocation takes effect everywhere, in one run.
 * The server (the whole broker with its workers and its queue server) has one core, the loader
 * (users, instances and their guards) another. BENCH_ROUNDS and BENCH_USERS make it shorter. The last line is JSON. With `--store postgres --brokers 2` it measures only from a
 * commit at one broker to the guards and instances of another. `--only NAME` measures one part.
 */
import { measureAcross } from './revocation/across.ts'
import { cores, load1, ms, pinLoader } from './machine/machine.ts'
import { signOutMany, startRefreshing, type Many } from './revocation/tenant.ts'
import { Receivers } from './clients/receivers.ts'
import { inlineSignOuts, signOuts, startGuards } from './revocation/sign-out.ts'
import { openStage } from './servers/stage.ts'
import { manyStreams, type Streams } from './clients/streams.ts'
import { readOptions } from './machine/options.ts'

// A round takes more than a second, because a guard reports at most once a second.
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 25)
const WARM_UP = Math.min(5, ROUNDS)
const USERS = Number(process.env.BENCH_USERS ?? 5_000)
const INSTANCES = 100
const AT_EACH = 10
const STREAMS = 1_000
/** The indexes of two faulty instances: one hangs, one does not listen. */
const DEAF = [3, 7] as const

const USAGE = `npm run bench revocation -- [options]
  --store NAME       sqlite (one broker) or postgres (several): default sqlite
  --brokers N        brokers on Postgres (default 2)
  --only PART        es256, rs256 or everybody; on Postgres es256 or rs256 (default: all)
  --help             prints this
  BENCH_ROUNDS=N     sign-outs that are measured (default 25)
  BENCH_USERS=N      users that sign out at once (default 5,000)`

const { values } = readOptions(USAGE, {
  store: { type: 'string', default: 'sqlite' },
  brokers: { type: 'string', default: '2' },
  only: { type: 'string' },
})
if (values.store === 'postgres') await across(Number(values.brokers))
else if (values.store === 'sqlite') await measure()
else throw new Error(`--store ${values.store}: use sqlite or postgres.`)

/** Measures the selected parts, one after the other. */
async function measured(
  parts: Record<string, () => Promise<object>>,
): Promise<Record<string, object>> {
  const { only } = values
  const figures: Record<string, object> = {}
  if (only !== undefined && parts[only] === undefined)
    throw new Error(`--only ${only}: use ${Object.keys(parts).join(', ')}.`)
  for (const [name, part] of Object.entries(parts))
    if (only === undefined || name === only) figures[name] = await part()
  return figures
}

async function across(brokers: number): Promise<void> {
  const pinned = cores()
  console.log(
    `Node ${process.version}, ${pinLoader(pinned)}, the brokers share a core; load of the machine before: ${load1()}.`,
  )
  const parts = {
    core: pinned?.[0],
    brokers,
    instances: INSTANCES,
    rounds: ROUNDS,
    warmUp: WARM_UP,
  }
  const figures = await measured({
    es256: () => measureAcross({ ...parts, alg: 'ES256' }),
    rs256: () => measureAcross({ ...parts, alg: 'RS256' }),
  })
  console.log(`load of the machine after: ${load1()}`)
  console.log(JSON.stringify({ store: 'postgres', ...figures }))
}

async function measure(): Promise<void> {
  const pinned = cores()
  const core = pinned?.[0]
  console.log(
    `Node ${process.version}, synchronous=FULL, ${pinLoader(pinned)}; load of the machine before: ${load1()}.`,
  )
  const figures = await measured({
    es256: () => oneSession(core, 'ES256'),
    rs256: () => oneSession(core, 'RS256'),
    everybody: () => everybody(core),
  })
  console.log(`load of the machine after: ${load1()}`)
  console.log(JSON.stringify(figures))
}

/**
 * Measurement 1: all 100 instances healthy, then one hanging and one that refuses connections, then the same
 * without durability.
 */
async function oneSession(core: string | undefined, alg: 'ES256' | 'RS256') {
  console.log(
    `\n1. One session with ${INSTANCES} instances, a guard at each, logout tokens signed by ${alg}; ${ROUNDS} sign-outs`,
  )
  const receivers = await Receivers.open(INSTANCES)
  const stage = await openStage(core)
  const clients = receivers.uris.map((_, n) => `c${n}`)
  await stage.register(
    receivers.uris.map((logoutUri, n) => ({ clientId: `c${n}`, logoutUri, alg })),
  )
  const guards = await startGuards(stage, clients)
  await signOuts({ stage, receivers, clients, guards, rounds: WARM_UP })
  const well = await signOuts({ stage, receivers, clients, guards, rounds: ROUNDS })
  const inline = await inlineSignOuts({ core, receivers, count: INSTANCES, rounds: ROUNDS, alg })
  await makeDeaf(receivers)
  const faulty = await signOuts({ stage, receivers, clients, guards, rounds: ROUNDS, deaf: DEAF })
  const inlineFaulty = await inlineSignOuts({
    core,
    receivers,
    count: INSTANCES,
    rounds: 3,
    alg,
    deaf: DEAF,
  })
  for (const guard of guards) await guard.stop()
  await stage.stop()
  await receivers.close()
  const show = (
    name: string,
    result: Omit<typeof well, 'lastGuard'> & Partial<Pick<typeof well, 'lastGuard'>>,
  ): void =>
    console.log(
      `   ${name.padEnd(34)} user waits ${ms(result.waited)}; last delivery ${ms(result.lastDelivered)}${result.lastGuard ? `; last guard refuses ${ms(result.lastGuard)}` : ''}`,
    )
  show('all well', well)
  show('one hangs, one refuses connections', faulty)
  show('nothing durable, all well', inline)
  show('nothing durable, one hangs', inlineFaulty)
  return { well, faulty, inline, inlineFaulty }
}

async function makeDeaf(receivers: Receivers): Promise<void> {
  receivers.hang(DEAF[0])
  await receivers.refuse(DEAF[1])
}

/** Measurements 2 to 4, on one broker. */
async function everybody(
  core: string | undefined,
): Promise<{ many: Many; manyFaulty: Many; streams: Streams }> {
  const receivers = await Receivers.open(AT_EACH)
  const stage = await openStage(core)
  const clients = receivers.uris.map((_, n) => `c${n}`)
  await stage.register(
    receivers.uris.map((logoutUri, n) => ({ clientId: `c${n}`, logoutUri, alg: 'ES256' })),
  )
  await stage.register([{ clientId: 'apart', alg: 'ES256' }])
  const guards = await startGuards(stage, [...clients, 'apart'])
  const refreshing = await startRefreshing(stage, 'apart')
  const parts = { stage, receivers, clients, users: USERS, refreshing }
  const show = (words: string, result: Many): void => {
    console.log(`\n${words}: ${result.users} users × ${AT_EACH} instances`)
    console.log(
      `   ${result.deliveries} deliveries, ${result.perSecond} a second, ${result.microsecondsEach} µs on the core each; from the commit ${ms(result.healthy)}`,
    )
    console.log(
      `   memory ${result.rssMb.before} MB before, ${result.rssMb.most} MB at most; refreshes ${ms(result.refreshes.quiet)} before, ${ms(result.refreshes.meanwhile)} meanwhile`,
    )
  }
  const streams = await manyStreams(stage, STREAMS)
  console.log(
    `\n4. ${streams.streams} streams: ${streams.kilobytesEach} KB each; the last one gets the event ${streams.lastDeliveredMs} ms after the commit (p50)`,
  )
  const many = await signOutMany({ ...parts, tid: '22222222-2222-4222-8222-222222222222' })
  show('2. All users of a tenant', many)
  await makeDeaf(receivers)
  const manyFaulty = await signOutMany({
    ...parts,
    tid: '33333333-3333-4333-8333-333333333333',
    deaf: DEAF,
  })
  show('3. The same, one instance hanging and one refusing', manyFaulty)
  for (const guard of guards) await guard.stop()
  await stage.stop()
  await receivers.close()
  return { many, manyFaulty, streams }
}

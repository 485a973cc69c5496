/**
 * `npm run bench token -- --store sqlite|postgres --beside limit|peer`: refreshes a second of the
 * broker beside a composed limit of that engine, or beside node-oidc-provider on SQLite, in one
 * run; and of the same broker where each refresh brings a DPoP proof. Each server has one core, the
 * loader another. Postgres runs on either core, except beside node-oidc-provider: then it shares
 * the broker's core. Rounds alternate, so that a machine that slows down affects all. The last line
 * is JSON: {"store","broker","dpop","limit","ratio"} and the CPU time per refresh in µs, of each
 * server and of Postgres.
 */
import { load, type Round, type Target } from './clients/loader.ts'
import {
  cores,
  cpuSeconds,
  cpuSecondsOfAll,
  pinAll,
  pinLoader,
  quantile,
} from './machine/machine.ts'
import {
  createMigrated,
  sql,
  startPostgres,
  SYNCED,
  type PostgresServer,
} from './servers/postgres.ts'
import { readOptions, usageError } from './machine/options.ts'
import { startChild } from './servers/child.ts'
import { basic, openStage } from './servers/stage.ts'
import { createProver } from './token/proofs.ts'

const CONNECTIONS = 32
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
const WARM_UP_SECONDS = 2
/** More refreshes than a second can have here: as many proofs are made. */
const MOST_PER_SECOND = 6000

type Other = 'limit' | 'peer'
type Name = 'broker' | 'dpop' | Other
interface Server extends Target {
  name: Name
  pid: number
  /** Makes the proofs of a round. */
  prove?: (count: number) => string[]
  stop(): Promise<void>
}
interface Measured extends Round {
  /** CPU time per refresh in µs, like `postgres`. */
  server: number
  postgres: number
}

const USAGE = `npm run bench token -- [options]
  --store NAME      sqlite or postgres (default sqlite)
  --beside NAME     limit: the least work of that engine (default); peer: node-oidc-provider on SQLite, every write synced,
                    and a Postgres shares the broker's core
  --help            prints this
  BENCH_ROUNDS=N    rounds of each server (default 5)
  BENCH_SECONDS=S   what a round lasts (default 4)`

const { values } = readOptions(USAGE, {
  store: { type: 'string', default: 'sqlite' },
  beside: { type: 'string', default: 'limit' },
})
if (values.store !== 'sqlite' && values.store !== 'postgres')
  usageError(USAGE, `--store ${values.store}: use sqlite or postgres.`)
else if (values.beside !== 'limit' && values.beside !== 'peer')
  usageError(USAGE, `--beside ${values.beside}: use limit or peer.`)
else await compare(values.store, values.beside)

/**
 * Starts the server that the broker is compared with.
 * @param url the address of its database on Postgres, as for `startBroker`
 */
async function startOther(
  name: Other,
  core: string | undefined,
  url: string | undefined,
): Promise<Server> {
  const more = [String(CONNECTIONS), ...(url === undefined ? [] : [url])]
  const { ready, pid, stop } = await startChild(core, `token/${name}-server`, ...more)
  return { name, pid, stop, ...(ready as unknown as Target) }
}

/** Starts the broker, which is loaded without proofs and with them. */
async function startBroker(core: string | undefined, url: string | undefined): Promise<Server[]> {
  const stage = await openStage(core, url === undefined ? {} : { BROKER_DATABASE_URL: url })
  await stage.register([{ clientId: 'bench', alg: 'ES256' }])
  const tid = '11111111-1111-4111-8111-111111111111'
  const authorization = basic('bench', stage.secret('bench'))
  const { pid, url: address } = stage
  const signIn = async (): Promise<Target> => {
    const tokens = await stage.signIn({ count: CONNECTIONS, clientId: 'bench', tid })
    const refreshTokens = tokens.map(({ refresh_token }) => refresh_token)
    return { url: address, authorization, refreshTokens }
  }
  return [
    { name: 'broker', pid, stop: stage.stop, ...(await signIn()) },
    {
      name: 'dpop',
      pid,
      prove: createProver(`${address}/token`),
      stop: () => Promise.resolve(),
      ...(await signIn()),
    },
  ]
}

/** Starts one Postgres with a database for each server. */
async function openDatabases(): Promise<{
  server: PostgresServer
  urls: Record<'broker' | 'limit', string>
}> {
  const server = await startPostgres(SYNCED)
  await sql(server.url('postgres'), 'CREATE DATABASE "limit"')
  await sql(server.url('limit'), 'CREATE SCHEMA broker')
  return { server, urls: { broker: await createMigrated(server), limit: server.url('limit') } }
}

async function compare(store: 'sqlite' | 'postgres', other: Other): Promise<void> {
  const pinned = cores()
  // Started before the loader is pinned to its core, which its children would inherit.
  const databases = store === 'postgres' ? await openDatabases() : undefined
  if (other === 'peer' && pinned !== undefined && databases !== undefined)
    pinAll(databases.server.pid, pinned[0])
  const where = pinLoader(pinned)
  const synced =
    databases === undefined
      ? 'SQLite, synchronous=FULL'
      : 'Postgres, synchronous_commit=on, fsync on, no standby'
  console.log(
    `Node ${process.version}, ${CONNECTIONS} connections, ${synced}, ${where}; ${ROUNDS} rounds of ${SECONDS} s each, alternating.`,
  )
  const servers: Server[] = []
  const rounds: Record<Name, Measured[]> = { limit: [], peer: [], broker: [], dpop: [] }
  try {
    servers.push(
      await startOther(other, pinned?.[0], other === 'peer' ? undefined : databases?.urls.limit),
    )
    servers.push(...(await startBroker(pinned?.[0], databases?.urls.broker)))
    for (const server of servers) {
      prepare(server, WARM_UP_SECONDS)
      await load(server, CONNECTIONS, WARM_UP_SECONDS)
    }
    for (let index = 1; index <= ROUNDS; index++) {
      for (const server of index % 2 ? servers : servers.toReversed()) {
        const round = await measure(server, databases?.server.pid)
        rounds[server.name].push(round)
        console.log(describe(index, server.name, round))
      }
    }
  } finally {
    for (const server of servers) await server.stop()
    await databases?.server.stop()
  }
  console.log(JSON.stringify({ store, ...summary(rounds, other) }))
}

/** Makes the proofs of the next round, where the server gets any. */
function prepare(server: Server, seconds: number): void {
  if (server.prove !== undefined) server.proofs = server.prove(seconds * MOST_PER_SECOND)
}

async function measure(server: Server, postgresPid: number | undefined): Promise<Measured> {
  const used = (): [number, number] => [
    cpuSeconds(server.pid),
    postgresPid === undefined ? 0 : cpuSecondsOfAll(postgresPid),
  ]
  prepare(server, SECONDS)
  const before = used()
  const round = await load(server, CONNECTIONS, SECONDS)
  const after = used()
  const each = (at: 0 | 1): number => ((after[at] - before[at]) / round.refreshes) * 1e6
  return { ...round, server: each(0), postgres: each(1) }
}

/**
 * Describes a round. CPU time per refresh is more reliable than the rate where other programs use
 * the cores too.
 */
function describe(index: number, name: Name, round: Measured): string {
  const { perSecond, p50, p99, server, postgres } = round
  const cpu = Number.isNaN(server)
    ? ''
    : `   ${server.toFixed(0)}${postgres > 0 ? ` + ${postgres.toFixed(0)} (Postgres)` : ''} µs of CPU each`
  return `round ${index}  ${name.padEnd(6)}  ${Math.round(perSecond).toString().padStart(6)}/s   p50 ${p50.toFixed(1)} ms   p99 ${p99.toFixed(1)} ms${cpu}`
}

function summary(rounds: Record<Name, Measured[]>, other: Other) {
  const median = (rounds: Measured[], of: (round: Measured) => number): number =>
    Math.round(quantile(rounds.map(of), 0.5))
  const rates = (name: Name): number => median(rounds[name], ({ perSecond }) => perSecond)
  const cpu = (name: Name) => ({
    server: median(rounds[name], ({ server }) => server),
    postgres: median(rounds[name], ({ postgres }) => postgres),
  })
  const [rate, beside] = [rates('broker'), rates(other)]
  return {
    broker: rate,
    dpop: rates('dpop'),
    [other]: beside,
    ratio: Number((rate / beside).toFixed(3)),
    microseconds: { broker: cpu('broker'), dpop: cpu('dpop'), [other]: cpu(other) },
  }
}

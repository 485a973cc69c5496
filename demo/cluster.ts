import { mkdirSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresAddress } from '../src/outbox/engine-postgres.ts'
import { keepRunning } from '../src/outbox/engine-process.ts'
import { placePostgres } from '../src/outbox/queue-engine.ts'
import type { Log } from '../src/runtime/log.ts'
import { runBroker, runCommand, type RunningBroker } from './broker.ts'
import type { DemoDirectory } from './directory.ts'
import { localhost, type ClusterBroker } from './facts.ts'
import { clusterPorts, type DemoPorts } from './options.ts'
import { startProxy } from './proxy.ts'

/**
 * `--cluster`: two brokers on one Postgres behind a proxy, which has the address that the demo
 * otherwise gives to its single broker.
 */

export interface Cluster extends Pick<RunningBroker, 'queue' | 'ended'> {
  brokers: ClusterBroker[]
}

interface ClusterInput {
  dir: DemoDirectory
  ports: DemoPorts
  /** The environment of a single broker. The differences between the two are set here. */
  environment: Record<string, string>
  onLine(line: string): void
  say(text: string): void
  /** Registers a close function. They run in the opposite order. */
  add(close: () => unknown): void
}

/**
 * Starts the cluster.
 * @throws with the reason why a part cannot start
 */
export async function startCluster(input: ClusterInput): Promise<Cluster> {
  const { dir, ports, environment, onLine, say, add } = input
  // The user whom Postgres runs as can reach this folder, and the next demo clears what a kill -9
  // leaves there.
  process.env['TMPDIR'] = dir.path
  const log = {
    info: () => {},
    warn: (event: string) => say(`postgres: ${event}`),
    error: (event: string) => say(`postgres: ${event}`),
  }
  const postgres = await startOwnPostgres({
    dir: join(dir.path, 'postgres'),
    database: 'broker',
    log,
  })
  add(() => postgres.close())
  const { host, user, password, database } = postgres.address
  const store = {
    BROKER_DATABASE_URL: `postgres://${user}:${password}@/${database}?host=${encodeURIComponent(host)}`,
  }
  await runCommand(['migrate'], store)
  const places = placesOf(dir, ports)
  const brokers = []
  // One after the other: each start takes a second of CPU time, and a broker that waits a second
  // for Postgres ends.
  for (const { name, listen, ops, data } of places) {
    const own = {
      BROKER_LISTEN: `127.0.0.1:${listen}`,
      BROKER_OPS_LISTEN: `127.0.0.1:${ops}`,
      BROKER_DATA_DIR: data,
    }
    const broker = await runBroker(
      {
        ...environment,
        BROKER_TRUSTED_PROXIES: '127.0.0.1/32',
        BROKER_OPS_ORIGIN: localhost(ports.ops),
        ...store,
        ...own,
      },
      onLine,
    )
    add(() => broker.stop())
    brokers.push({
      running: broker,
      facts: { name, pid: broker.pid, url: localhost(listen), ops: localhost(ops), data_dir: data },
    })
  }
  for (const [port, behind] of [
    [ports.broker, places.map(({ listen }) => listen)],
    [ports.ops, places.map(({ ops }) => ops)],
  ] as const) {
    const proxy = await startProxy(port, behind)
    add(() => proxy.close())
  }
  sayEnds(brokers, input)
  const ended = Promise.all(brokers.map(({ running }) => running.ended)).then(
    ([code]) => code ?? null,
  )
  return {
    queue: brokers[0]?.running.queue ?? '',
    ended,
    brokers: brokers.map(({ facts }) => facts),
  }
}

/** Says when a broker ends before the demo does. */
function sayEnds(
  brokers: readonly { running: RunningBroker; facts: ClusterBroker }[],
  { say, add }: ClusterInput,
): void {
  let ending = false
  add(() => (ending = true))
  for (const { running, facts } of brokers)
    void running.ended.then(
      () =>
        ending ||
        say(
          `${facts.name} (process ${facts.pid}) has ended. The proxy gives its requests to the other.`,
        ),
    )
}

function placesOf(dir: DemoDirectory, ports: DemoPorts) {
  const { a, b, opsA, opsB } = clusterPorts(ports)
  const second = join(dir.path, 'data-b')
  mkdirSync(second, { mode: 0o700 })
  return [
    { name: 'Broker A', listen: a, ops: opsA, data: dir.data },
    { name: 'Broker B', listen: b, ops: opsB, data: second },
  ]
}

/** The settings of a Postgres that keeps the store. Jobs of the queue may be lost, revocations not. */
const DURABLE = ['fsync', 'synchronous_commit', 'full_page_writes'].flatMap((name) => [
  '-c',
  `${name}=on`,
])

/** Starts the embedded Postgres that the queue falls back to, with one empty database. */
async function startOwnPostgres(input: {
  dir: string
  database: string
  log: Log
}): Promise<{ address: PostgresAddress; close(): Promise<void> }> {
  const { dir, database, log } = input
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const { server, temporary } = await placePostgres(dir, database)
  const running = await keepRunning({ ...server, args: [...server.args, ...DURABLE] }, log)
  return {
    address: server.address,
    async close() {
      await running.close()
      await rm(temporary, { recursive: true, force: true })
    },
  }
}

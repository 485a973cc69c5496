import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { QueueProcess } from '../../../bench/servers/queue.ts'
import { HAPROXY } from '../../needs.ts'
import { createMigrated, startPostgres, type PostgresServer } from '../../postgres.ts'
import { type BrokerProcess, prepareSibling, until } from '../broker-process.ts'
import { freePorts } from '../ports.ts'
import { openWorld, type TestWorld } from '../world.ts'

/**
 * The `cluster` of compose.yaml, as processes of this machine: brokers without work behind HAProxy
 * with compose.yaml's configuration, workers, Postgres, and one Valkey or Redis.
 */

export const CMB = resolve(import.meta.dirname, '../../../dist/src/cli.js')

export interface Cluster {
  world: TestWorld
  brokers: BrokerProcess[]
  workers: BrokerProcess[]
  postgres: PostgresServer
  databaseUrl: string
  queue: QueueProcess
  /** The proxy's log: which of its servers is down, and each request that failed. */
  proxyLog: readonly string[]
  close(): Promise<void>
}

interface ClusterOptions {
  cities?: string[]
  brokers?: number
  workers?: number
  env?: Record<string, string>
  registration?: (city: string) => Record<string, unknown>
  /**
   * Returns a server with a database that has the broker's tables; the default is one without a
   * standby.
   */
  database?: () => Promise<{ server: PostgresServer; url: string }>
  /** Called before each process starts; it may change its environment. */
  prepare?: (process: BrokerProcess, postgres: PostgresServer) => Promise<void>
}

export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const closing: (() => unknown)[] = []
  const close = async (): Promise<void> => {
    for (const stop of closing.splice(0).reverse()) await stop()
  }
  try {
    return { ...(await open(options, closing)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function open(
  options: ClusterOptions,
  closing: (() => unknown)[],
): Promise<Omit<Cluster, 'close'>> {
  const { brokers: brokerCount = 2, workers: workerCount = 2 } = options
  const { server: postgres, url: databaseUrl } = await (options.database ?? oneServer)()
  closing.push(() => postgres.stop())
  const queue = await QueueProcess.open((await freePorts(1))[0] ?? 0)
  closing.push(() => queue.close())
  const [port = 0] = await freePorts(1)
  const world = await openWorld({
    cities: options.cities ?? ['sydney', 'melbourne'],
    issuer: `http://localhost:${port}`,
    start: false,
    ...(options.registration && { registration: options.registration }),
    env: {
      BROKER_DATABASE_URL: databaseUrl,
      BROKER_QUEUE_URL: queue.url,
      BROKER_TRUSTED_PROXIES: '127.0.0.1/32',
      BROKER_WORK: 'none',
      BROKER_DRAIN_SECONDS: '2',
      ...options.env,
    },
  })
  closing.push(() => world.dispose())
  // All processes end at the same time, because each drains for seconds.
  const disposals: (() => Promise<unknown>)[] = [() => world.broker.end('SIGTERM')]
  closing.push(() => Promise.all(disposals.map((dispose) => dispose())))
  const siblings = async (
    count: number,
    more: Parameters<typeof prepareSibling>[1] = {},
  ): Promise<BrokerProcess[]> => {
    const made = []
    for (let n = 0; n < count; n++) {
      const { broker, dispose } = await prepareSibling(world.broker, more)
      disposals.push(dispose)
      made.push(broker)
    }
    return made
  }
  const brokers = [world.broker, ...(await siblings(brokerCount - 1))]
  const workers = await siblings(workerCount, { program: [CMB, 'work', '--only', 'all'] })
  // Prepared one after the other, then started together.
  const all = [...brokers, ...workers]
  for (const broker of all) await options.prepare?.(broker, postgres)
  await Promise.all(all.map((broker) => broker.start()))
  const proxy = await startHaproxy(port, brokers)
  closing.push(() => proxy.close())
  await until(
    'the proxy passes requests on',
    async () => (await fetch(`${world.broker.issuer}/healthz`)).ok,
  )
  return { world, brokers, workers, postgres, databaseUrl, queue, proxyLog: proxy.log }
}

async function oneServer(): Promise<{ server: PostgresServer; url: string }> {
  const server = await startPostgres({ fsync: 'on', full_page_writes: 'on' })
  return { server, url: await createMigrated(server) }
}

const portOf = (address: string | undefined): string => (address ?? '').split(':').at(-1) ?? ''

/** A line of HAProxy's HTTP log with a status below 500 and no termination state. */
const ENDED_WELL = / [1-4]\d\d \d+ - - ---- /
const LOG_LINES = 2_000

/**
 * Starts HAProxy with compose.yaml's configuration, but with other addresses, and a log of each
 * request.
 */
async function startHaproxy(
  port: number,
  brokers: readonly BrokerProcess[],
): Promise<{ log: readonly string[]; close(): Promise<void> }> {
  if (HAPROXY === undefined) throw new Error('HAProxy is not installed.')
  const dir = mkdtempSync(join(tmpdir(), 'haproxy-'))
  const file = join(dir, 'haproxy.cfg')
  writeFileSync(file, configuration(port, (await freePorts(1))[0] ?? 0, brokers))
  const child = spawn(HAPROXY, ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  const log: string[] = []
  createInterface(child.stderr).on('line', (line) => {
    // HAProxy's warnings are in its log too.
    if (!ENDED_WELL.test(line) && !line.startsWith('[')) log.push(line)
    if (log.length > LOG_LINES) log.shift()
  })
  return {
    log,
    async close() {
      await ended(child, 'SIGKILL')
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function configuration(port: number, opsPort: number, brokers: readonly BrokerProcess[]): string {
  const file = readFileSync(
    resolve(import.meta.dirname, '../../../deploy/compose/haproxy.cfg'),
    'utf8',
  )
  const text = file.replace('bind :7400', `bind 127.0.0.1:${port}`)
  return ['172.30.74.11', '172.30.74.12'].reduce(
    (config, address, n) => {
      const env = brokers[n]?.env ?? {}
      const [listen, ops] = [portOf(env['BROKER_LISTEN']), portOf(env['BROKER_OPS_LISTEN'])]
      return config
        .replaceAll(`${address}:7400 check port 7401`, `127.0.0.1:${listen} check port ${ops}`)
        .replaceAll(`${address}:7401 check`, `127.0.0.1:${ops} check`)
    },
    text
      .replace('bind :7401', `bind 127.0.0.1:${opsPort}`)
      .replace('local0 notice', 'local0 info')
      .replace('  log global', '  log global\n  option httplog'),
  )
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill(signal)
  await gone
}

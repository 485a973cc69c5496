import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startWorkers } from '../workers/start.ts'
import { serveAdminSocket } from './operations/api/socket.ts'
import { answerTimes, requestsOf } from './runtime/requests.ts'
import { createApp } from './app.ts'
import { type Checks, createChecks } from './operations/checks/checks.ts'
import { watchClientsFile } from './clients/clients-file.ts'
import type { Config } from './config/config.ts'
import { type Address, listen, type Listener } from './runtime/listener.ts'
import { within } from './runtime/concurrency.ts'
import { version } from './runtime/version.ts'
import type { Deps } from './deps.ts'
import { measureProcess } from './operations/health/process-metrics.ts'
import type { Log } from './runtime/log.ts'
import { openParts } from './parts.ts'

/** A broker that serves: its parts, where it listens, and how it ends. */
export interface Broker {
  deps: Deps
  /** Where it really listens (a port 0 is resolved). Workers alone have no public listener. */
  listen: Address | undefined
  opsListen: Address
  queueEngine: string
  /**
   * Drains: no new requests, requests and deliveries under way finish (bounded), the rest goes
   * back; then everything is closed.
   */
  stop(): Promise<void>
}

/**
 * Opens the parts and listens last, so that a broker that answers is ready.
 * @throws what keeps it from serving, after closing what was opened
 */
export async function startBroker(
  config: Config,
  log: Log,
  overrides: Partial<Deps> = {},
): Promise<Broker> {
  const { deps, closing } = await openParts({ config, log }, overrides)
  try {
    const checks = createChecks(deps)
    let ending = false
    const { app, opsApp, closeConsole } = createApp(deps, checks, () => ending)
    const isBroker = config.kind === 'broker'
    if (isBroker && config.clientsFile !== undefined) {
      const watcher = await watchClientsFile(deps, config.clientsFile)
      closing.add('clients file', () => watcher.close())
    }
    await compareClocks(checks)
    const workers = await startWorkers(deps, checks)
    closing.add('workers', () => workers.drain())
    const socket = await serveAdminSocket(deps, join(config.dataDir, 'broker.sock'), checks)
    closing.add('admin socket', () => socket.close())
    measureProcess(deps.metrics, version())
    const observe = answerTimes(deps)
    const ops = await listen(
      opsApp,
      config.opsListen,
      'BROKER_OPS_LISTEN',
      requestsOf(deps, 'operators', observe),
    )
    closing.add('operators’ listener', () => ops.close())
    const server = isBroker
      ? await listen(app, config.listen, 'BROKER_LISTEN', requestsOf(deps, 'public', observe))
      : undefined
    if (server !== undefined) closing.add('listener', () => server.close())
    // No request is kept waiting for what follows.
    closing.add('streams', () => {
      closeConsole()
      deps.feed.close()
    })
    // First, while requests and feed streams still go on: a target that hangs delays no other.
    closing.first('workers')
    checkDatabase(deps)
    const health = await deps.queue.health()
    // Before all: load balancers see it at /readyz, and send the next requests elsewhere before the
    // port is closed.
    closing.add('readiness', async () => {
      ending = true
      await handOver(ops, server, config.drainSeconds)
    })
    return {
      deps,
      listen: server?.address,
      opsListen: ops.address,
      queueEngine: health.engine,
      stop: () => closing.run(),
    }
  } catch (error) {
    await closing.run()
    throw error
  }
}

/**
 * While load balancers send the next requests elsewhere, each connection is closed with its next
 * answer, so that no proxy has one in reserve when the port closes.
 */
async function handOver(
  ops: Listener,
  server: Listener | undefined,
  drainSeconds: number,
): Promise<void> {
  for (const listener of [ops, server]) listener?.drain()
  // Without it no load balancer is in front.
  if (drainSeconds === 0) return
  await sleep(drainSeconds * 1_000)
  await server?.quiet()
}

/**
 * Before anything is judged by time: a machine may start with a wrong clock. Microsoft's silence
 * delays the start by no more than this.
 */
const COMPARE_MS = 1_000

const compareClocks = (checks: Checks): Promise<unknown> =>
  within(COMPARE_MS, checks.look({ fresh: true, which: ({ id }) => id === 'clock' })).catch(
    () => undefined,
  )

/**
 * After the broker listens, because it reads the whole file. A damaged database is served from no
 * longer.
 */
function checkDatabase({ store, log }: Deps): void {
  store.checkIntegrity().then(
    (problem) => {
      if (problem !== undefined) log.error('database_damaged', { problem })
    },
    (error) =>
      log.warn('database_check_failed', {
        problem: error instanceof Error ? error.message : String(error),
      }),
  )
}

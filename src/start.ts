import { flushCompileCache } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { StoreUnconfirmed } from '../db/types.ts'
import { startWorkers } from '../workers/start.ts'
import { serveAdminSocket } from './operations/api/socket.ts'
import { answerTimes, requestsOf } from './runtime/requests.ts'
import { type Checks, createChecks } from './operations/checks/checks.ts'
import { isOfMicrosoft } from './operations/checks/list.ts'
import type { Config } from './config/config.ts'
import { type Address, listen, type Listener } from './runtime/listener.ts'
import { systemClock } from './runtime/clock.ts'
import { within } from './runtime/concurrency.ts'
import { version } from './runtime/version.ts'
import type { Deps } from './deps.ts'
import { measureProcess } from './operations/health/process-metrics.ts'
import type { Log } from './runtime/log.ts'
import { openParts } from './parts.ts'

/** A running broker: its parts, its addresses, and how to stop it. */
export interface Broker {
  deps: Deps
  /**
   * The actual address, with the assigned port if the configured one is 0. A process that only does
   * background work has no public listener.
   */
  listen: Address | undefined
  opsListen: Address
  queueEngine: string
  /**
   * Drains and closes the broker: it accepts no new requests, lets running requests and deliveries
   * finish up to a limit, returns the rest to the store, and closes everything.
   */
  stop(): Promise<void>
}

/** How long a start goes on where no commit is confirmed in time: as long as `compose.yaml` waits. */
const UNCONFIRMED_MS = 60_000
/** The pause before the next attempt, so that attempts that fail at once do not load the server. */
const PAUSE_MS = 500

/**
 * Starts a broker. On Postgres with a slow standby, a commit may be confirmed too late for the
 * lease, at any step of the start: the start then begins again, for up to a minute.
 * @throws the error that keeps it from serving, after closing what was opened
 */
export async function startBroker(
  config: Config,
  log: Log,
  overrides: Partial<Deps> = {},
): Promise<Broker> {
  const begunMs = systemClock.steadyMs()
  for (;;)
    try {
      return await startNow(config, log, overrides)
    } catch (error) {
      if (!(error instanceof StoreUnconfirmed)) throw error
      if (systemClock.steadyMs() - begunMs > UNCONFIRMED_MS) throw error
      log.warn('start_delayed', { cause: error.message })
      await sleep(PAUSE_MS)
    }
}
/** Opens the parts first and listens last, so that a broker that answers is ready. */
async function startNow(config: Config, log: Log, overrides: Partial<Deps>): Promise<Broker> {
  const { deps, closing } = await openParts({ config, log }, overrides)
  try {
    const checks = createChecks(deps)
    const asked = askMicrosoft(checks)
    const { createApp } = await import('./app.ts')
    let ending = false
    const { app, opsApp, closeConsole } = createApp(deps, checks, () => ending)
    const isBroker = config.kind === 'broker'
    if (isBroker && config.clientsFile !== undefined) {
      const { watchClientsFile } = await import('./clients/clients-file.ts')
      const watcher = await watchClientsFile(deps, config.clientsFile)
      closing.add('clients file', () => watcher.close())
    }
    await asked
    const workers = await startWorkers(deps, checks)
    closing.add('workers', () => workers.drain())
    const socket = await serveAdminSocket(deps, join(config.dataDir, 'broker.sock'), checks)
    closing.add('admin socket', () => socket.close())
    measureProcess(deps.metrics, version(), config.kind)
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
    // Closed before the listeners, which would otherwise wait for these streams to end.
    closing.add('streams', () => {
      closeConsole()
      deps.feed.close()
    })
    // Workers are closed before that, while requests and feed streams continue, so that a target
    // that hangs does not delay them.
    closing.first('workers')
    const settled = setTimeout(() => {
      flushCompileCache()
      checkDatabase(deps)
    }, SETTLED_MS)
    closing.add('what waits for requests', () => clearTimeout(settled))
    const health = await deps.queue.health()
    // Closed first of all: load balancers see the 503 at /readyz and send further requests
    // elsewhere before the port is closed.
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
 * Closes each connection with its next answer while load balancers redirect further requests, so
 * that no proxy holds an open connection when the port closes.
 */
async function handOver(
  ops: Listener,
  server: Listener | undefined,
  drainSeconds: number,
): Promise<void> {
  for (const listener of [ops, server]) listener?.drain()
  // With 0 there is no load balancer.
  if (drainSeconds === 0) return
  await sleep(drainSeconds * 1_000)
  await server?.quiet()
}

/** The longest wait for Microsoft's answers at the start. */
const ASK_MS = 1_000

/**
 * Runs the checks of the connection to Microsoft. Its clock is compared before anything depends on
 * the time, because a machine may start with a wrong clock, and the first /readyz has the answers.
 */
const askMicrosoft = (checks: Checks): Promise<unknown> =>
  within(ASK_MS, checks.look({ which: isOfMicrosoft })).catch(() => undefined)

/** The time after the start in which requests that waited for it have the processor. */
const SETTLED_MS = 1_000

/**
 * Checks the data file for damage, and logs it. The store then rejects every act. This runs after
 * the start, because it reads the whole file.
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

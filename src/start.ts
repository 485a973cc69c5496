import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { openSqliteStore } from '../db/sqlite/store.ts'
import { startWorkers } from '../workers/start.ts'
import { createApp } from './app.ts'
import { createChecks } from './checks/checks.ts'
import { openClientRegistry } from './client/registry.ts'
import type { Address, Config } from './config/config.ts'
import type { Deps } from './deps.ts'
import type { SteadyClock } from './protocol/clock.ts'
import { openKeyRing } from './keys/ring.ts'
import { createSealer } from './keys/sealer.ts'
import { listen } from './listener.ts'
import type { Log } from './log.ts'
import { createMetrics } from './metrics.ts'
import { openConnection } from './microsoft/connection.ts'
import { createMicrosoft } from './microsoft/microsoft.ts'
import { watchClientsFile } from './client/clients-file.ts'
import { closeConsole } from './console/endpoints.tsx'
import { serveAdminSocket } from './admin/socket.ts'
import { createOutbound } from './outbound.ts'
import { openDeliveryQueue } from './revocation/delivery-queue.ts'
import { createFeed } from './revocation/feed.ts'
import { startQueueEngine } from './revocation/queue-engine.ts'

/** A broker that serves: its parts, where it listens, and how it ends. */
export interface Broker {
  deps: Deps
  /** Where it really listens (a port 0 is resolved). */
  listen: Address
  opsListen: Address
  queueEngine: string
  /** Drains: no new requests, requests and deliveries under way finish (bounded), the rest goes back; then everything is closed. */
  stop(): Promise<void>
}

export const systemClock: SteadyClock = {
  now: () => Math.floor(Date.now() / 1000),
  nowMs: () => Date.now(),
  steadyMs: () => Math.floor(performance.timeOrigin + performance.now()),
}

/** What was opened, closed in the opposite order; one that fails to close keeps none of the others open. */
class Closing {
  readonly #steps: { name: string; close: () => unknown }[] = []
  readonly #log: Log
  constructor(log: Log) {
    this.#log = log
  }
  add(name: string, close: () => unknown): void {
    this.#steps.push({ name, close })
  }
  /** Closed before everything that was opened after it. */
  first(name: string): void {
    const at = this.#steps.findIndex((step) => step.name === name)
    this.#steps.push(...this.#steps.splice(at, 1))
  }
  async run(): Promise<void> {
    for (const { name, close } of this.#steps.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        this.#log.error('close_failed', { part: name, cause: error })
      }
    }
  }
}

/**
 * Opens the parts, in the order in which they need each other, and listens last: who answers is ready.
 * @throws what keeps it from serving, after closing what was opened
 */
export async function startBroker(config: Config, log: Log, clock: SteadyClock = systemClock): Promise<Broker> {
  const closing = new Closing(log)
  try {
    const deps = await openParts(config, log, clock, closing)
    const checks = createChecks(deps)
    const { app, opsApp } = createApp(deps, checks)
    if (config.clientsFile !== undefined) {
      const watcher = await watchClientsFile(deps, config.clientsFile)
      closing.add('clients file', () => watcher.close())
    }
    const workers = await startWorkers(deps, checks)
    closing.add('workers', () => workers.drain())
    const socket = await serveAdminSocket(deps, join(config.dataDir, 'broker.sock'), checks)
    closing.add('admin socket', () => socket.close())
    const ops = await listen(opsApp, config.opsListen, 'BROKER_OPS_LISTEN')
    closing.add('operators’ listener', () => ops.close())
    const server = await listen(app, config.listen, 'BROKER_LISTEN')
    closing.add('listener', () => server.close())
    // No request is kept waiting for what follows: streams end, and each connection is closed with its next answer.
    closing.add('streams', () => {
      for (const listener of [ops, server]) listener.drain()
      closeConsole(deps)
      deps.feed.close()
    })
    // First, while requests are still answered and guards still told: a target that hangs keeps nobody else waiting.
    closing.first('workers')
    const health = await deps.queue.health()
    return { deps, listen: server.address, opsListen: ops.address, queueEngine: health.engine, stop: () => closing.run() }
  } catch (error) {
    await closing.run()
    throw error
  }
}

async function openParts(config: Config, log: Log, clock: SteadyClock, closing: Closing): Promise<Deps> {
  const random = (bytes: number): Buffer => randomBytes(bytes)
  const store = await openSqliteStore({ file: join(config.dataDir, 'broker.db'), nowMs: clock.nowMs })
  closing.add('store', () => store.close())
  const metrics = createMetrics()
  const sealer = createSealer(config.secrets)
  const outbound = createOutbound({ allowLoopback: config.allowLoopbackTargets })
  closing.add('outbound', () => outbound.close())
  const clients = await openClientRegistry(store)
  const engine = await startQueueEngine({ dataDir: config.dataDir, url: config.queueUrl, log })
  closing.add('queue server', () => engine.close())
  const queue = await openDeliveryQueue({ engine, log, metrics, clock })
  closing.add('queue', () => queue.close())
  const feed = createFeed({ store, clients, metrics, log, clock })
  const keys = await openKeyRing({
    store,
    sealer,
    random,
    clock,
    issuer: config.issuer,
    keyFiles: config.keyFiles,
    onEmergency: (kids) => feed.publishKeys(kids),
  })
  const connection = await openConnection({ store, sealer, config, clock, log })
  const microsoft = createMicrosoft({ config, connection: connection.current, log, clock })
  return { config, clock, random, log, metrics, store, sealer, keys, clients, microsoft, connection, queue, refreshes: {}, feed, outbound }
}

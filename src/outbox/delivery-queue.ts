import { Queue, type Worker } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import type { DeliveryRef } from '../../db/types.ts'
import { within } from '../runtime/concurrency.ts'
import type { Deps } from './deps.ts'
import type { Log } from '../runtime/log.ts'
import type { DeliveryQueue, LocalLanes } from './interface.ts'
import type { QueueEngine } from './queue-engine.ts'
import {
  ANSWER_MS,
  eachOf,
  type JobData,
  keepWorking,
  PacedWorker,
  QUEUE_NAME,
  WORKER,
} from './queue-worker.ts'

/**
 * The work queue of deliveries. Only this module uses BullMQ. A job says that an attempt may be
 * due, and the delivery's row decides. Adding a job never waits: while the queue's server is down,
 * jobs are dropped and the relay finds their rows.
 */

/** The most jobs that wait in memory for the server. Further jobs are dropped. */
const MAX_WAITING = 50_000
const BATCH = 500

/**
 * The most deliveries in one urgent job. It is low enough that several processes share the
 * deliveries of one sign-out.
 */
const TOGETHER = 20

/** One job to add. */
interface Added {
  ref: DeliveryRef
  /** Further deliveries in the same job. */
  more?: readonly DeliveryRef[]
  delayMs: number
}

/** The queue with its BullMQ object, which operators' views use. */
export interface OpenedDeliveryQueue extends DeliveryQueue {
  readonly bull: Queue
}

export async function openDeliveryQueue(
  deps: { engine: QueueEngine } & Pick<Deps, 'log' | 'metrics' | 'clock'>,
): Promise<OpenedDeliveryQueue> {
  const { engine, log } = deps
  const outages = createOutageLog(log)
  const server =
    engine.address.kind === 'postgres'
      ? await (await import('./postgres-queue.ts')).openPostgres(engine, outages.down)
      : openRedis(engine, outages)
  const bull = server.queue
  const adding = new Adding(bull, outages)
  let lanes: LocalLanes | undefined
  const workers = new Set<{ stop(): Promise<void> }>()

  return {
    bull,
    add: (refs, delayMs) => adding.add(refs, delayMs),
    addUrgent(refs) {
      const left = lanes === undefined ? refs : lanes.take(refs)
      adding.addTogether(left)
    },
    useLanes(local) {
      lanes = local
    },
    targets: () => lanes?.states() ?? [],
    work(perform, concurrency) {
      const worker = startWorker(server, perform, concurrency, outages)
      workers.add(worker)
      return worker
    },
    health: () => healthOf(server, engine),
    durability: async () =>
      engine.own ? undefined : within(1_000, server.durability()).catch(() => undefined),
    async close() {
      adding.close()
      outages.end()
      // Workers stop before their connections end, because BullMQ's worker goes on requesting jobs
      // from an ended connection.
      await Promise.all([...workers].map((worker) => worker.stop()))
      await within(ANSWER_MS, bull.close()).catch(() => {})
      await server.close()
    },
  }
}

/** Collects jobs and sends them to the server in batches, so that callers do not wait for it. */
class Adding {
  readonly #bull: Queue
  readonly #outages: OutageLog
  #waiting: Added[] = []
  #flushing = false
  #closed = false

  constructor(bull: Queue, outages: OutageLog) {
    this.#bull = bull
    this.#outages = outages
  }

  add(refs: readonly DeliveryRef[], delayMs = 0): void {
    this.#push(refs.map((ref) => ({ ref, delayMs })))
  }

  /**
   * Adds one job for several deliveries, because a job costs the server and its worker several
   * times as much as a delivery in it.
   */
  addTogether(refs: readonly DeliveryRef[]): void {
    const jobs: Added[] = []
    for (let at = 0; at < refs.length; at += TOGETHER) {
      const [ref, ...more] = refs.slice(at, at + TOGETHER)
      if (ref !== undefined) jobs.push({ ref, more, delayMs: 0 })
    }
    this.#push(jobs)
  }

  close(): void {
    this.#closed = true
    this.#waiting = []
  }

  #push(jobs: readonly Added[]): void {
    if (this.#closed) return
    this.#waiting.push(...jobs.slice(0, MAX_WAITING - this.#waiting.length))
    if (this.#flushing || this.#waiting.length === 0) return
    this.#flushing = true
    // Waits for the end of this turn of the event loop, so that everything added in it is one
    // batch.
    setImmediate(() => void this.#flush())
  }

  async #flush(): Promise<void> {
    try {
      // A failure and `close` also empty `#waiting`.
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.splice(0, BATCH)
        await within(ANSWER_MS, this.#bull.addBulk(batch.map(toJob)))
        this.#outages.up()
      }
    } catch (error) {
      // The other jobs would wait for the same answer, so they are dropped too. Their deliveries
      // stay pending, and the relay finds them.
      this.#outages.dropped(this.#waiting.length + 1, error)
      this.#waiting = []
    } finally {
      this.#flushing = false
    }
  }
}

async function healthOf(server: Server, engine: QueueEngine): ReturnType<DeliveryQueue['health']> {
  try {
    await within(1_000, server.ping())
    return { up: true, engine: engine.kind }
  } catch (error) {
    return {
      up: false,
      engine: engine.kind,
      problem: `The queue server cannot be used (${engine.description}): ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}

/**
 * Converts a job to BullMQ's form. The `jobId` makes it one job per attempt, whichever process adds
 * it. A finished job must be removed, because BullMQ does not add another job with its id.
 */
const toJob = ({ ref, more = [], delayMs }: Added) => ({
  name: 'deliver',
  data: { ...ref, ...(more.length > 0 ? { more } : {}) } satisfies JobData,
  opts: {
    jobId: jobIdOf(ref, more),
    attempts: 1,
    removeOnComplete: true,
    removeOnFail: true,
    ...(delayMs > 0 ? { delay: delayMs } : {}),
  },
})

const jobIdOf = ({ id, attempt }: DeliveryRef, more: readonly DeliveryRef[]): string =>
  more.length === 0 ? `${id}-${attempt}` : `${id}-${attempt}-and-${more.length}`

function startWorker(
  server: Server,
  perform: (ref: DeliveryRef) => Promise<void>,
  concurrency: number,
  outages: OutageLog,
): { stop(): Promise<void> } {
  const open = (): Worker => {
    const worker = server.worker(perform, concurrency)
    worker.on('error', outages.down)
    worker.on('ready', outages.up)
    return worker
  }
  const worker = keepWorking(open)
  return {
    async stop() {
      // BullMQ waits for its server when it closes. If the server is down, the broker stops waiting
      // after 3 s.
      await within(ANSWER_MS, worker.stop()).catch(() => {})
    },
  }
}

interface Server {
  queue: Queue
  /** Starts a worker with its own connection, which ends with the worker. */
  worker(perform: (ref: DeliveryRef) => Promise<void>, concurrency: number): Worker
  ping(): Promise<unknown>
  durability(): ReturnType<DeliveryQueue['durability']>
  close(): Promise<void>
}

function openRedis(engine: QueueEngine, outages: OutageLog): Server {
  const at = engine.address as { url: string } | { socket: string }
  const common: RedisOptions = {
    ...('socket' in at ? { path: at.socket } : {}),
    retryStrategy: (times) => Math.min(times * 100, 1_000),
  }
  const connect = (options: RedisOptions): Redis => {
    const all = { ...common, ...options } as RedisOptions
    const client: Redis = 'url' in at ? new Redis(at.url, all as never) : new Redis(all as never)
    client.on('error', () => {})
    return client
  }
  // Adding jobs fails at once if the server is down. The offline queue stays on, because without it
  // BullMQ's first INFO fails before there is a connection, and the queue stays unusable.
  const producer = connect({ maxRetriesPerRequest: 1, connectTimeout: ANSWER_MS })
  const workers = new Set<Redis>()
  const queue = new Queue(QUEUE_NAME, { connection: producer })
  // Registered at once: an error without a listener would be printed.
  queue.on('error', outages.down)
  return {
    queue,
    worker(perform, concurrency) {
      // A worker waits for its server without a limit.
      const connection = connect({ maxRetriesPerRequest: null })
      workers.add(connection)
      const worker = new PacedWorker(QUEUE_NAME, eachOf(perform), {
        ...WORKER,
        connection,
        concurrency,
      })
      return worker.once('closed', () => {
        workers.delete(connection)
        connection.disconnect()
      })
    },
    // The health check writes, because a server that is out of memory still answers PING.
    ping: () => producer.set('cmb:health', '1', 'EX', 60),
    durability: () => durabilityOf(producer),
    async close() {
      for (const client of [producer, ...workers]) client.disconnect()
    },
  }
}

/**
 * Returns how the operator's server keeps jobs. If it evicts or loses them, nothing is lost, but
 * each loss delays a delivery by seconds until the relay runs, so operators should know.
 */
async function durabilityOf(client: Redis): ReturnType<DeliveryQueue['durability']> {
  const text = `${await client.info('memory')}\n${await client.info('persistence')}`
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1]
  const [evictionPolicy, aof] = [field('maxmemory_policy'), field('aof_enabled')]
  return evictionPolicy === undefined || aof === undefined
    ? undefined
    : { appendOnly: aof === '1', evictionPolicy }
}

type OutageLog = ReturnType<typeof createOutageLog>

/**
 * Logs one line when the server goes down and one when it is back, not one for each failed attempt
 * between them.
 */
function createOutageLog(log: Log) {
  let down = false
  let ended = false
  let lost = 0
  const begin = (error: unknown): void => {
    if (ended) return
    if (!down)
      log.warn('queue_down', {
        cause: String(error),
        next: 'Start the server. Until then nothing is lost: new deliveries are sent directly, retries from the database, up to 5 s late.',
      })
    down = true
  }
  return {
    down: begin,
    dropped(jobs: number, error: unknown): void {
      lost += jobs
      begin(error)
    },
    up(): void {
      if (down) log.info('queue_up', { jobsDropped: lost })
      down = false
      lost = 0
    },
    /** Stops logging: the queue is closed and its server may end. */
    end(): void {
      ended = true
    },
  }
}

import { Queue, type Worker } from 'bullmq'
import { Redis, type RedisOptions } from 'ioredis'
import { within } from '../runtime/concurrency.ts'
import type { Log } from '../runtime/log.ts'
import type {
  DeliveryQueue,
  Drive,
  JobCounts,
  LocalLanes,
  RevocationJob,
  TargetState,
} from './interface.ts'
import type { QueueEngine } from './queue-engine.ts'
import {
  ANSWER_MS,
  type JobData,
  keepWorking,
  PacedWorker,
  processorOf,
  QUEUE,
  QUEUE_NAME,
  WORKER,
} from './queue-worker.ts'

/**
 * The work queue of deliveries. Only this module uses BullMQ. A job stands for a revocation, and
 * the rows of its deliveries decide. No caller waits for the queue's server: while it is down,
 * changes are dropped, and the relay adds the jobs later.
 */

/** The most revocations whose changes wait in memory for the server. */
const MAX_WAITING = 10_000
/** The number of jobs that are changed at a time. */
const BATCH = 50
/**
 * The time in which a process that delivers collects changes. The outcomes of most revocations come
 * within it, so that their job is added once and has nothing left to wait for.
 */
const COLLECT_MS = 250
/**
 * The most times that it goes on collecting because its lanes have deliveries to send: 5 s, in
 * which the relay finds retries. First attempts then wait for no jobs, which could only count them.
 */
const BUSY_TURNS = 20
/** The most failures of one revocation that are logged for each change. */
const MAX_FAILURES = 20

/** The queue with its BullMQ object, which tests read. */
export interface OpenedDeliveryQueue extends DeliveryQueue {
  readonly bull: Queue
}

export async function openDeliveryQueue(deps: {
  engine: QueueEngine
  log: Log
}): Promise<OpenedDeliveryQueue> {
  const { engine, log } = deps
  const outages = createOutageLog(log)
  const server =
    'postgres' in engine.address
      ? await (await import('./postgres-queue.ts')).openPostgres(engine, outages.down)
      : openRedis(engine, outages)
  const bull = server.queue
  let lanes: LocalLanes | undefined
  let worker: { stop(): Promise<void> } | undefined
  const changes = collectChanges(bull, outages, () => lanes)

  return {
    bull,
    send(refs) {
      lanes?.take(refs)
      for (const { seq } of refs) if (seq !== undefined) changes.note(seq)
    },
    changed: changes.note,
    targets: () => lanes?.states() ?? [],
    work(local, drive) {
      lanes = local
      const started = keepWorking(() =>
        server.worker(drive).on('error', outages.down).on('ready', outages.up),
      )
      worker = {
        stop() {
          lanes = undefined
          return started.stop()
        },
      }
      return worker
    },
    job: (seq) => within(ANSWER_MS, jobOf(bull, seq)).catch(() => undefined),
    jobs: () => within(ANSWER_MS, countsOf(bull)).catch(() => undefined),
    health: () => healthOf(server, engine),
    durability: async () =>
      engine.own ? undefined : within(1_000, server.durability()).catch(() => undefined),
    async close() {
      changes.close()
      outages.end()
      // The worker stops before its connection ends, because BullMQ's worker goes on requesting jobs
      // from an ended connection.
      await worker?.stop()
      await within(ANSWER_MS, bull.close()).catch(() => {})
      await server.close()
    },
  }
}

const jobIdOf = (seq: number): string => `r-${seq}`
const isWaiting = ({ waiting }: TargetState): boolean => waiting > 0

/** Collects the changes of revocations and applies them to their jobs. */
function collectChanges(
  bull: Queue<JobData>,
  outages: OutageLog,
  lanes: () => LocalLanes | undefined,
) {
  /** The revocations that have changed, with lines for the logs of their jobs. */
  const waiting = new Map<number, string[]>()
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const note = (seq: number, failure?: string): void => {
    if (closed || waiting.size >= MAX_WAITING) return
    const failures = waiting.get(seq) ?? []
    waiting.set(seq, failures)
    if (failure !== undefined && failures.length < MAX_FAILURES) failures.push(failure)
    schedule()
  }
  const schedule = (busyTurns = BUSY_TURNS): void => {
    timer ??= setTimeout(() => void turn(busyTurns), lanes() === undefined ? 0 : COLLECT_MS)
  }
  const turn = async (busyTurns: number): Promise<void> => {
    if (busyTurns > 0 && lanes()?.states().some(isWaiting) === true) {
      timer = undefined
      return schedule(busyTurns - 1)
    }
    const changes = [...waiting]
    waiting.clear()
    try {
      for (let at = 0; at < changes.length; at += BATCH) {
        if (closed) return
        const batch = changes.slice(at, at + BATCH)
        await within(ANSWER_MS, Promise.all(batch.map((entry) => apply(...entry))))
        outages.up()
      }
    } catch (error) {
      // The other changes would wait for the same answer, so they are dropped too. The relay adds
      // the jobs that are missing.
      outages.down(error)
    }
    timer = undefined
    if (waiting.size > 0) schedule()
  }
  /**
   * Adds the job, or lets the existing one run again. BullMQ ignores an addition while a job with
   * that id exists, even a finished one. A state may change meanwhile: then another process has
   * let the job run, and the error is ignored.
   */
  const apply = async (seq: number, failures: readonly string[]): Promise<void> => {
    const jobId = jobIdOf(seq)
    const known = await bull.getJob(jobId)
    const job = known ?? (await bull.add('revocation', { seq }, { jobId }))
    for (const line of failures) await job.log(line)
    const state = await known?.getState()
    // The job may have read its rows before they changed.
    if (state === 'active') setTimeout(note, COLLECT_MS, seq).unref()
    else if (state === 'delayed') await job.promote().catch(() => {})
    else if (state === 'completed' || state === 'failed') await job.retry(state).catch(() => {})
  }
  return {
    note,
    close(): void {
      closed = true
      clearTimeout(timer)
      waiting.clear()
    },
  }
}

const LAST_LINES = 20

async function jobOf(bull: Queue<JobData>, seq: number): Promise<RevocationJob | undefined> {
  const job = await bull.getJob(jobIdOf(seq))
  if (job === undefined) return undefined
  const [state, { logs }] = await Promise.all([
    job.getState(),
    bull.getJobLogs(jobIdOf(seq), 0, LAST_LINES - 1, false),
  ])
  return {
    state,
    runs: job.attemptsStarted,
    failedReason: job.failedReason,
    log: logs.toReversed(),
  }
}

async function countsOf(bull: Queue): Promise<JobCounts> {
  const [{ waiting = 0, active = 0, delayed = 0, failed = 0 }, [oldest]] = await Promise.all([
    bull.getJobCounts('waiting', 'active', 'delayed', 'failed'),
    bull.getJobs(['waiting'], 0, 0, true),
  ])
  return { waiting, active, delayed, failed, oldestAtMs: oldest?.timestamp }
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

interface Server {
  queue: Queue
  /** Starts a worker with its own connection, which ends with the worker. */
  worker(drive: Drive): Worker
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
  // A request only says that it gave up; the connection says why.
  let lost: unknown
  producer.on('error', (error) => (lost = error))
  const workers = new Set<Redis>()
  const queue = new Queue(QUEUE_NAME, { ...QUEUE, connection: producer })
  // Registered at once: an error without a listener would be printed.
  queue.on('error', outages.down)
  return {
    queue,
    worker(drive) {
      // A worker waits for its server without a limit.
      const connection = connect({ maxRetriesPerRequest: null })
      workers.add(connection)
      const worker = new PacedWorker(QUEUE_NAME, processorOf(drive), { ...WORKER, connection })
      return worker.once('closed', () => {
        workers.delete(connection)
        connection.disconnect()
      })
    },
    // The health check writes, because a server that is out of memory still answers PING.
    ping: () =>
      producer.set('cmb:health', '1', 'EX', 60).catch((error: unknown) => {
        throw producer.status === 'ready' ? error : (lost ?? error)
      }),
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
  return {
    down(error: unknown): void {
      if (!ended && !down)
        log.warn('queue_down', {
          cause: String(error),
          next: 'Start the server. Until then nothing is lost: new deliveries are sent directly, retries from the database, up to 5 s late.',
        })
      down = true
    },
    up(): void {
      if (!ended && down) log.info('queue_up')
      down = false
    },
    /** Stops logging: the queue is closed and its server may end. */
    end(): void {
      ended = true
    },
  }
}

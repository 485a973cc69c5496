import { createPostgresBackend, type Job, Queue, runMigrations, type WorkerOptions } from 'bullmq'
import type { Worker } from 'bullmq'
import { Pool } from 'pg'
import type { DeliveryRef } from '../../db/types.ts'
import { within } from '../runtime/concurrency.ts'
import type { QueueEngine } from './queue-engine.ts'
import { type JobData, openReady, PacedWorker } from './queue-worker.ts'

/**
 * The work queue on the broker's own Postgres server. The module is loaded only if that server is
 * used.
 */

const SCHEMA = 'bullmq'
/** The attempts to open the queue, whose server may be restarting. They take about 3 s. */
const OPENINGS = 6

type Perform = (ref: DeliveryRef) => Promise<void>
interface Pooled {
  down: (error: unknown) => void
  answerMs: number
}

/**
 * Opens the queue and its workers.
 * @param how the names and options that are the same for every kind of server
 * @throws Error if the schema of the queue cannot be migrated
 */
export async function openPostgres(
  engine: QueueEngine,
  outages: { down: (error: unknown) => void },
  how: {
    name: string
    answerMs: number
    worker: Omit<WorkerOptions, 'connection'>
    eachOf(perform: Perform): (job: Job<JobData, void>) => Promise<void>
  },
) {
  const { down } = outages
  const { name, answerMs } = how
  const pool = openPool(engine, 4, { down, answerMs })
  const workers = new Set<Pool>()
  await engine.onOpened(() => migrate(pool))
  const openQueue = (): Queue => {
    const queue: Queue = new Queue(name, { connection: pool }, createPostgresBackend as never)
    queue.on('error', down)
    return queue
  }
  const queue = await openReady(openQueue, OPENINGS)
  return {
    queue,
    worker(perform: Perform, concurrency: number): Worker {
      const own = openPool(engine, 10, { down, answerMs })
      workers.add(own)
      const options = {
        ...how.worker,
        drainDelay: 1,
        connection: own,
        concurrency: Math.min(concurrency, 20),
      }
      const worker = new PacedWorker(
        name,
        how.eachOf(perform),
        options,
        createPostgresBackend as never,
      )
      return worker.once('closed', () => {
        workers.delete(own)
        own.end().catch(() => {})
      })
    },
    ping: () => pool.query('SELECT 1'),
    durability: async () => undefined,
    async close() {
      for (const one of [pool, ...workers]) await within(answerMs, one.end()).catch(() => {})
    },
  }
}

function openPool(engine: QueueEngine, max: number, { down, answerMs }: Pooled): Pool {
  const { address } = engine.address as { address: object }
  const pool = new Pool({
    ...address,
    max,
    options: `-c search_path=${SCHEMA}`,
    connectionTimeoutMillis: answerMs,
  })
  pool.on('error', down)
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

async function migrate(pool: Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await runMigrations(client, SCHEMA)
  } finally {
    client.release()
  }
}

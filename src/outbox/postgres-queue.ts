import { createPostgresBackend, Queue, runMigrations, type Worker } from 'bullmq'
import { Pool } from 'pg'
import { within } from '../runtime/concurrency.ts'
import type { Drive } from './interface.ts'
import type { QueueEngine } from './queue-engine.ts'
import {
  ANSWER_MS,
  openReady,
  PacedWorker,
  processorOf,
  QUEUE,
  QUEUE_NAME,
  WORKER,
} from './queue-worker.ts'

/**
 * The work queue on the broker's own Postgres server. The module is loaded only if that server is
 * used.
 */

const SCHEMA = 'bullmq'
/** The attempts to open the queue, whose server may be restarting. They take about 3 s. */
const OPENINGS = 6

type Down = (error: unknown) => void

/**
 * Opens the queue and its workers.
 * @throws Error if the schema of the queue cannot be migrated
 */
export async function openPostgres(engine: QueueEngine, down: Down) {
  const pool = openPool(engine, 4, down)
  const workers = new Set<Pool>()
  await engine.onOpened(() => migrate(pool))
  const openQueue = (): Queue => {
    const queue: Queue = new Queue(
      QUEUE_NAME,
      { ...QUEUE, connection: pool },
      createPostgresBackend as never,
    )
    queue.on('error', down)
    return queue
  }
  const queue = await openReady(openQueue, OPENINGS)
  return {
    queue,
    worker(drive: Drive): Worker {
      const own = openPool(engine, 10, down)
      workers.add(own)
      const worker = new PacedWorker(
        QUEUE_NAME,
        processorOf(drive),
        { ...WORKER, drainDelay: 1, connection: own },
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
      for (const entry of [pool, ...workers]) await within(ANSWER_MS, entry.end()).catch(() => {})
    },
  }
}

function openPool(engine: QueueEngine, max: number, down: Down): Pool {
  const { postgres } = engine.address as { postgres: object }
  const pool = new Pool({
    ...postgres,
    max,
    options: `-c search_path=${SCHEMA}`,
    connectionTimeoutMillis: ANSWER_MS,
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

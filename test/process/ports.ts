import { createServer } from 'node:net'

/**
 * Ports for servers that have to know theirs before they listen. They are below the range of
 * outgoing connections, so that none of those takes one between the check and the use. Each worker
 * of a run has its own part; where a run begins depends on the process, and no port is given twice.
 */

/**
 * The largest number of workers of a project (vitest.config.ts), counted from 1. Without it threads
 * of one process would give the same ports.
 */
const WORKERS = 4
const SHARE = 5_475
const FIRST = 10_000 + SHARE * (Number(process.env.VITEST_POOL_ID ?? 0) % WORKERS)
const LAST = FIRST + SHARE - 1
let next = FIRST + ((process.pid * 97) % (LAST - FIRST))

const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)))
  })

/** Returns a port such that it and those at `offsets` from it are free. */
export async function freeBase(offsets: readonly number[]): Promise<number> {
  const step = Math.max(...offsets) + 1
  for (let tries = 0; tries < 500; tries++) {
    if (next + step > LAST) next = FIRST
    const base = next
    next += step
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)))
    if (free.every(Boolean)) return base
  }
  throw new Error(`No ports at ${offsets.join(', ')} from any base are free.`)
}

/** Returns ports on which no process listens now. */
export async function freePorts(count: number): Promise<number[]> {
  const offsets = Array.from({ length: count }, (_, index) => index)
  const base = await freeBase(offsets)
  return offsets.map((offset) => base + offset)
}

import { createServer } from 'node:net'

/**
 * Ports for servers that have to know theirs before they listen. They lie below the range that the
 * system gives to outgoing connections, so that none of those takes one between the look and the
 * use. Each worker of a run takes theirs from a part of its own; where two runs begin depends on
 * the process, and no port is given twice.
 */

/**
 * As many as a project has at most (vitest.config.ts), counted from 1: threads of one process would
 * give the same ports otherwise.
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

/** A port such that it and those at `offsets` from it are free. */
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

/** Ports that no process listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const offsets = Array.from({ length: count }, (_, index) => index)
  const base = await freeBase(offsets)
  return offsets.map((offset) => base + offset)
}

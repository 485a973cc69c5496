import {
  accessSync,
  chmodSync,
  constants,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { join } from 'node:path'

/**
 * A directory in memory for the files of the unit tests, if the machine has room; test/alone.ts
 * sets it as TMPDIR. A store syncs each commit, and tests wait for that. Only a power cut would
 * show the difference between disk and memory, and no test makes one.
 */

const MEMORY = '/dev/shm'
const PREFIX = 'cmb-tests-'
/** Many times what the tests use at once. Containers have only 64 MB there by default. */
const ROOM = 4 * 1024 ** 3

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    accessSync(MEMORY, constants.W_OK)
    return bavail * bsize >= ROOM && process.availableMemory() >= 2 * ROOM
  } catch {
    return false
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Removes what it can now: a server of a test may write there until this process has ended. The
 * next run removes the rest.
 */
function remove(dir: string): void {
  try {
    rmSync(dir, { recursive: true, force: true })
  } catch {
    // The tests have already passed or failed.
  }
}

/** Removes directories of runs that have ended. */
function removeLeftOver(): void {
  for (const name of readdirSync(MEMORY)) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1])
    if (pid > 0 && !isRunning(pid)) remove(join(MEMORY, name))
  }
}

export default function setup(): (() => void) | undefined {
  if (process.env.TMPDIR !== undefined || !hasRoom()) return undefined
  removeLeftOver()
  const dir = mkdtempSync(join(MEMORY, `${PREFIX}${process.pid}-`))
  // The rights of /tmp, because Postgres runs as another user.
  chmodSync(dir, 0o1777)
  process.env.BROKER_TEST_SCRATCH = dir
  return () => remove(dir)
}

import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * The directory into which the demo writes. It is named after the demo's process, so that the next
 * demo finds what a kill -9 left behind.
 */

export interface DemoDirectory {
  /**
   * The path of the directory, for the broker's TMPDIR. The user whom Postgres runs as must be able
   * to pass through it.
   */
  path: string
  /** The broker's data directory. */
  data: string
  remove(): void
}

const NAME = /^cmb-demo-(\d+)-/

export function makeDirectory(): DemoDirectory {
  clearLeftovers()
  const path = mkdtempSync(join(tmpdir(), `cmb-demo-${process.pid}-`))
  chmodSync(path, 0o711)
  const data = join(path, 'data')
  mkdirSync(data, { mode: 0o700 })
  return { path, data, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) }
}

/** Removes leftover directories of this user, if no process with their id runs any more. */
function clearLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(NAME.exec(name)?.[1])
    if (!(pid > 0) || isRunning(pid)) continue
    const path = join(tmpdir(), name)
    try {
      const there = lstatSync(path)
      if (there.isDirectory() && there.uid === process.getuid?.())
        rmSync(path, { recursive: true, force: true })
    } catch {
      // The directory belongs to another process, or was removed meanwhile.
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

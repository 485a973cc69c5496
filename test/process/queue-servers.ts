import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'

/** The queue servers that a broker runs, found and signalled from outside. */

/** Sends a signal. A process that has ended needs none. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    if (pid > 1) process.kill(pid, name)
  } catch {
    // The process has already ended.
  }
}

/** Returns every queue server below that process, including those in a shell of their own. */
export function queueServers(root: number | undefined): number[] {
  const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,comm='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  const beneath = new Set([String(root)])
  for (let grown = true; grown;) {
    grown = false
    for (const [pid = '', parent = ''] of rows)
      if (beneath.has(parent) && !beneath.has(pid)) grown = beneath.add(pid).size > 0
  }
  return rows
    .filter(
      ([pid = '', , name = '']) =>
        beneath.has(pid) && /valkey-server|redis-server|postgres/.test(name),
    )
    .map(([pid]) => Number(pid))
}

/** Kills them, and removes their data: the directory of Valkey, Redis (--dir) or Postgres (-D). */
export function loseQueueServers(pids: readonly number[]): void {
  const lines = pids.map((pid) =>
    execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }),
  )
  for (const pid of pids) signal(pid, 'SIGKILL')
  const kept = lines.flatMap((line) => / (?:-D|--dir) (\S+)/.exec(line)?.[1] ?? [])
  if (kept.length === 0) throw new Error(`No data directory in ${lines.join('; ')}`)
  for (const directory of kept) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
}

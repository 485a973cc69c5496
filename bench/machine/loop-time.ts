import Database from 'better-sqlite3'

/**
 * How long the event loop is held, turn by turn, without the time inside COMMIT. It is measured by
 * the clock and by processor time: on a machine that does other work, the clock includes that work.
 */

interface Spent {
  clockMs: number
  cpuMs: number
}

// The processor time of this thread where Node reports it (23.9); else that of the process, garbage
// collection included.
const cpuUsage =
  (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage ?? process.cpuUsage

const cpuMs = (): number => {
  const { user, system } = cpuUsage()
  return (user + system) / 1_000
}
const time = (): Spent => ({ clockMs: performance.now(), cpuMs: cpuMs() })
const commits: Spent = { clockMs: 0, cpuMs: 0 }

/**
 * Subtracts the time inside COMMIT. It has to be called before the store opens, which prepares its
 * statements.
 */
export function countCommits(): void {
  const { prepare } = Database.prototype
  Database.prototype.prepare = function counted(this: Database.Database, sql: string) {
    const statement = prepare.call(this, sql)
    if (sql !== 'COMMIT') return statement
    const run = statement.run.bind(statement) as () => Database.RunResult
    statement.run = () => {
      const begun = time()
      try {
        return run()
      } finally {
        const ended = time()
        commits.clockMs += ended.clockMs - begun.clockMs
        commits.cpuMs += ended.cpuMs - begun.cpuMs
      }
    }
    return statement
  } as typeof prepare
}

/**
 * Watches the event loop.
 * @returns a function that stops the watch and returns the longest turn
 */
export function watchLoop(): () => Spent {
  const longest: Spent = { clockMs: 0, cpuMs: 0 }
  let [begun, committed] = [time(), { ...commits }]
  const look = (): void => {
    const now = time()
    for (const clock of ['clockMs', 'cpuMs'] as const)
      longest[clock] = Math.max(
        longest[clock],
        now[clock] - begun[clock] - (commits[clock] - committed[clock]),
      )
    ;[begun, committed] = [now, { ...commits }]
    next = setImmediate(look)
  }
  let next = setImmediate(look)
  return () => {
    clearImmediate(next)
    return longest
  }
}

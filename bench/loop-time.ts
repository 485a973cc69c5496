import Database from 'better-sqlite3'

/**
 * How long the event loop is held, less the time inside COMMIT: turn by turn, while something runs.
 * By the clock and by the processor's time: on a machine that does other work as well, the clock
 * counts that too.
 */

interface Spent {
  clockMs: number
  cpuMs: number
}

// Of this thread where Node can say it (23.9), else of the process, garbage collection included.
const cpuUsage =
  (process as { threadCpuUsage?: () => NodeJS.CpuUsage }).threadCpuUsage ?? process.cpuUsage

const cpuMs = (): number => {
  const { user, system } = cpuUsage()
  return (user + system) / 1_000
}
const time = (): Spent => ({ clockMs: performance.now(), cpuMs: cpuMs() })
const commits: Spent = { clockMs: 0, cpuMs: 0 }

/** Before the store opens: its statements are prepared then. */
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

/** @returns the longest turn, when it is stopped */
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

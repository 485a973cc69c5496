import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/**
 * The machine as the benches use it, with a core for the server and another for the loader; and the
 * statistics of figures.
 */

/**
 * Returns the first two cores that this process may use: one for a server, one for the loader.
 * Undefined where cores cannot be chosen.
 */
export function cores(): [server: string, loader: string] | undefined {
  const answer = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
  const list = answer.status === 0 ? (answer.stdout.split(':').at(-1) ?? '').trim() : ''
  const all = list.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number)
    return from === undefined || to === undefined || Number.isNaN(from)
      ? []
      : Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
  const [first, second] = all
  return first === undefined || second === undefined ? undefined : [String(first), String(second)]
}

/**
 * Puts this process on the loader's core.
 * @returns a description of where everything runs
 */
export function pinLoader(pinned: ReturnType<typeof cores>): string {
  if (pinned === undefined)
    return `cores not chosen (no taskset, or one core; ${availableParallelism()} available)`
  pinAll(process.pid, pinned[1])
  return `server on core ${pinned[0]}, loader on core ${pinned[1]}`
}

/** Pins a process, its threads and its later children to a core. */
export const pinAll = (pid: number, core: string): void =>
  void spawnSync('taskset', ['-acp', core, String(pid)])

/**
 * Returns the flags of Node with which `npm start` starts the broker, or those of the variable
 * `BENCH_NODE_FLAGS`, to compare others.
 */
export const brokerFlags = (): string[] =>
  (process.env.BENCH_NODE_FLAGS ?? startCommand())
    .split(' ')
    .filter((word) => word.startsWith('--'))

const startCommand = (): string =>
  (
    JSON.parse(
      readFileSync(join(import.meta.dirname, '..', '..', '..', 'package.json'), 'utf8'),
    ) as { scripts: { start: string } }
  ).scripts.start

/**
 * Returns the command that starts a server of the benches (`servers/broker`, say) on that core. The
 * broker gets the flags of `npm start`.
 */
export function serverCommand(
  core: string | undefined,
  name: string,
  ...args: string[]
): [program: string, ...args: string[]] {
  const file = join(import.meta.dirname, '..', `${name}.js`)
  const flags = name === 'servers/broker' ? brokerFlags() : []
  const command: [string, ...string[]] = [
    process.execPath,
    ...process.execArgv,
    ...flags,
    file,
    ...args,
  ]
  return core === undefined ? command : ['taskset', '-c', core, ...command]
}

/**
 * Returns user and system time of a process in seconds (proc(5), in ticks of 10 ms); NaN where
 * there is no /proc.
 */
export function cpuSeconds(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    return Number.NaN
  }
}

/** Returns the same for a process with its children, including ended ones. */
export function cpuSecondsOfAll(pid: number): number {
  try {
    const stats = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ pid: Number(name), fields: statOf(name) }))
    const ours = stats.filter((stat) => stat.pid === pid || Number(stat.fields[1]) === pid)
    return (
      ours.reduce(
        (sum, { fields }) =>
          sum + [11, 12, 13, 14].reduce((ticks, at) => ticks + Number(fields[at]), 0),
        0,
      ) / 100
    )
  } catch {
    return Number.NaN
  }
}

const statOf = (pid: string): string[] => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  } catch {
    return []
  }
}

/**
 * Returns the machine's load average, printed with the figures so that a busy machine is noticed.
 */
export const load1 = (): string => {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ')[0] ?? '?'
  } catch {
    return '?'
  }
}

export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export interface Spread {
  p50: number
  p99: number
}
export const spread = (values: readonly number[]): Spread => ({
  p50: round(quantile(values, 0.5)),
  p99: round(quantile(values, 0.99)),
})
export const round = (value: number): number => Number(value.toFixed(value < 10 ? 2 : 1))
export const ms = ({ p50, p99 }: Spread): string => `p50 ${p50} ms, p99 ${p99} ms`

/**
 * Returns milliseconds since the epoch, finer than Date.now(). Two processes of a machine can
 * compare them.
 */
export const preciseMs = (): number => performance.timeOrigin + performance.now()

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { BenchClock } from './bound-clock.ts'
import { serveGuards } from './bound-guards.ts'
import { emptyTally, type Part, runSlice, sum, type Tally } from './bound-run.ts'
import { load1 } from './machine.ts'
import { HAS_STANDBY } from './postgres.ts'
import { serveRevocations } from './revocation-server.ts'

/**
 * `npm run bench:bound`: looks for a guard that accepts a revoked token in a request that was sent
 * later than its lease after the acknowledgment, under faults at random. The exit code is 1 if it
 * finds one.
 */

const USAGE = `npm run bench:bound -- [options]
  --faults N      how many faults must be counted: a fault counts once for each guard that it hits
                  while a revocation is acknowledged (default 10000; an hour)
  --only PARTS    of sqlite-1, postgres-1, sqlite-5, postgres-5, sqlite-30, postgres-30, by commas
                  (the store, and the lease in seconds; default: all)
  --guards N      guards in Node, each behind a line of its own (default 100)
  --seed N        the same faults again (default 1)
  --state FILE    where results are kept; a run that was stopped goes on from there
                  (default: a file of this seed in the folder for temporary files)
  --self-check    runs guards that are wrong on purpose (they count their lease from the receipt of
                  a heartbeat), and fails unless it finds that they are
  --help          prints this
The table goes to the standard output, the progress to the standard error.`

/** The share of the faults in each part. */
const PARTS: Record<string, Part> = {
  'sqlite-1': { store: 'sqlite', leaseSeconds: 1, faults: 0.6 },
  'postgres-1': { store: 'postgres', leaseSeconds: 1, faults: 0.2 },
  'sqlite-5': { store: 'sqlite', leaseSeconds: 5, faults: 0.1 },
  'postgres-5': { store: 'postgres', leaseSeconds: 5, faults: 0.05 },
  'sqlite-30': { store: 'sqlite', leaseSeconds: 30, faults: 0.03 },
  'postgres-30': { store: 'postgres', leaseSeconds: 30, faults: 0.02 },
}
const SLICE_SECONDS = 240
const SELF_CHECK: Part = { store: 'sqlite', leaseSeconds: 1, faults: 100 }

const { values, positionals } = parseArgs({
  options: {
    faults: { type: 'string', default: '10000' },
    only: { type: 'string', default: Object.keys(PARTS).join(',') },
    guards: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    state: { type: 'string' },
    'self-check': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const [role, dir = '', port, settings] = positionals
if (role === 'guards') serveGuards(dir)
else if (role === 'broker') {
  const { BENCH_RATE: rate, ...own } = JSON.parse(settings ?? '{}') as Record<string, string>
  await serveRevocations(dir, Number(port), JSON.stringify(own), new BenchClock(Number(rate)))
} else if (values.help) console.log(USAGE)
else if (values['self-check']) await selfCheck()
else await measure()

function say(words: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${words}`)
}

async function selfCheck(): Promise<void> {
  const tally = emptyTally()
  const quiet = { guards: 20, wrong: 0.5, mostSeconds: 40, python: undefined, say, save: () => {} }
  await runSlice(SELF_CHECK, tally, { seed: Number(values.seed), ...quiet })
  const wrong = tally.violations.filter((one) => one.includes('"isWrong":true')).length
  const right = tally.violations.length - wrong
  console.log(
    `${sum(tally.counted)} faults: ${wrong} violations of 10 guards that are wrong on purpose, ${right} of 10 others.`,
  )
  process.exitCode = wrong > 0 && right === 0 ? 0 : 1
}

async function measure(): Promise<void> {
  const seed = Number(values.seed)
  const file = values.state ?? join(tmpdir(), `cmb-bound-${seed}.json`)
  const names = values.only.split(',')
  const unknown = names.find((name) => PARTS[name] === undefined)
  if (unknown !== undefined)
    throw new Error(`--only ${unknown}: use ${Object.keys(PARTS).join(', ')}.`)
  const tallies = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<
    string,
    Tally
  >
  const python = findPython()
  const save = (): void => writeFileSync(file, JSON.stringify(tallies))
  const begun = load1()
  for (const name of names) {
    const { faults: share, ...part } = PARTS[name] as Part
    if (part.store === 'postgres' && !HAS_STANDBY) {
      say(`${name} is left out: there is no pg_basebackup here.`)
      continue
    }
    const tally = (tallies[name] ??= emptyTally())
    const faults = Math.round(share * Number(values.faults))
    while (sum(tally.counted) < faults) {
      const options = { seed, guards: Number(values.guards), wrong: 0, python, say, save }
      await runSlice({ ...part, faults }, tally, { ...options, mostSeconds: SLICE_SECONDS })
      save()
    }
  }
  print(tallies)
  console.log(`Load of the machine: ${begun} before, ${load1()} after. Results: ${file}`)
  if (Object.values(tallies).some(({ violations }) => violations.length > 0)) process.exitCode = 1
}

/** Returns the Python that has what the guard in Python needs; installs that first. */
function findPython(): string | undefined {
  const script = new URL('../../scripts/python-guard.mjs', import.meta.url).pathname
  const said = spawnSync(process.execPath, [script], { encoding: 'utf8' }).stdout.trim()
  const python = /^Python guard: (.+)$/.exec(said)?.[1]
  if (python === undefined) say(said)
  else process.env['BENCH_PYTHON'] = python
  return python
}

function print(tallies: Record<string, Tally>): void {
  for (const leaseSeconds of [1, 5, 30]) {
    const all = Object.entries(tallies).flatMap(([name, tally]) =>
      PARTS[name]?.leaseSeconds === leaseSeconds ? [tally] : [],
    )
    const faults = all.reduce((count, { counted }) => count + sum(counted), 0)
    const revocations = all.reduce((count, one) => count + one.revocations, 0)
    if (revocations === 0) continue
    console.log(
      `\nLease of ${leaseSeconds} s: ${faults} faults, ${revocations} revocations. Latest accepted request after the acknowledgment, ms:`,
    )
    console.log(
      `${'fault'.padEnd(52)}${['faults', 'cases', 'p50', 'p99', 'max'].map((word) => word.padStart(9)).join('')}`,
    )
    const kinds = [...new Set(all.flatMap(({ latest }) => Object.keys(latest)))].toSorted()
    for (const kind of [...kinds, undefined]) {
      const rows = all.flatMap(({ latest }) =>
        Object.entries(latest).flatMap(([name, row]) =>
          kind === undefined || kind === name ? [row] : [],
        ),
      )
      const times = rows
        .flatMap((row) => Object.entries(row))
        .map(([ms, count]) => [Number(ms), count] as const)
      const count = all.reduce(
        (found, { counted }) => found + (kind === undefined ? 0 : (counted[kind] ?? 0)),
        0,
      )
      const cells = [kind === undefined ? faults : count, ...distribution(times)]
      console.log(
        `${(kind ?? 'all').padEnd(52)}${cells.map((cell) => String(cell).padStart(9)).join('')}`,
      )
    }
  }
  for (const one of Object.values(tallies).flatMap(({ violations }) => violations)) console.log(one)
}

/** Returns how many there are, p50, p99 and the largest. */
function distribution(times: readonly (readonly [ms: number, count: number])[]): number[] {
  const sorted = times.toSorted(([a], [b]) => a - b)
  const all = sorted.reduce((count, [, one]) => count + one, 0)
  const at = (share: number): number => {
    let passed = 0
    return sorted.find(([, count]) => (passed += count) >= share * all)?.[0] ?? 0
  }
  return [all, at(0.5), at(0.99), sorted.at(-1)?.[0] ?? 0]
}

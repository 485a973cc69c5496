import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { emptyTally, leastOfClocks, type Part, runSlice, sum, type Tally } from './bound-run.ts'
import { load1 } from './machine.ts'
import { HAS_STANDBY } from './postgres.ts'

/** The parts of `npm run bench:bound` one after the other, and its table. */

/** The share of the faults in each part. */
const PARTS: Record<string, Part> = {
  'sqlite-1': { store: 'sqlite', leaseSeconds: 1, faults: 0.6 },
  'postgres-1': { store: 'postgres', leaseSeconds: 1, faults: 0.2 },
  'sqlite-5': { store: 'sqlite', leaseSeconds: 5, faults: 0.1 },
  'postgres-5': { store: 'postgres', leaseSeconds: 5, faults: 0.05 },
  'sqlite-30': { store: 'sqlite', leaseSeconds: 30, faults: 0.03 },
  'postgres-30': { store: 'postgres', leaseSeconds: 30, faults: 0.02 },
}
const SLICE_SECONDS = 600
const LONGEST_DELAY_MS = 30_000
/** A part with guards that are wrong on purpose, shorter than the others. */
const SELF_CHECK: Part = { store: 'sqlite', leaseSeconds: 1, faults: 200 }
const WRONG = { guards: 20, wrong: 0.75, eachClock: 0, mostSeconds: 20, longestDelayMs: 2_000 }

function say(words: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${words}`)
}

export async function selfCheck(seed: number): Promise<void> {
  let tally = emptyTally()
  // Each run is short, and on a busy machine the guards may hold no lease while one lasts.
  for (let runs = 0; runs < 3 && tally.violations.length === 0; runs++) {
    tally = emptyTally()
    const options = { seed: seed + runs, ...WRONG, python: undefined, say, save: () => {} }
    await runSlice(SELF_CHECK, tally, options)
  }
  const wrong = tally.violations.filter((one) => one.includes('"isWrong":true')).length
  const right = tally.violations.length - wrong
  console.log(
    `${sum(tally.counted)} faults: ${wrong} violations of 15 guards that are wrong on purpose, ${right} of 5 others.`,
  )
  process.exitCode = wrong > 0 && right === 0 ? 0 : 1
}

/** Measures the named parts and prints the table. `file` keeps the results between runs. */
export async function measure({
  seed,
  faults: allFaults,
  eachClock,
  guards,
  names,
  file,
}: {
  seed: number
  faults: number
  /** 0: faults of every kind. */
  eachClock: number
  guards: number
  names: readonly string[]
  file: string
}): Promise<void> {
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
    const faults = Math.round(share * allFaults)
    while (eachClock > 0 ? leastOfClocks(tally) < eachClock : sum(tally.counted) < faults) {
      const options = { seed, guards, wrong: 0, eachClock, python, say, save }
      const most = { mostSeconds: SLICE_SECONDS, longestDelayMs: LONGEST_DELAY_MS }
      await runSlice({ ...part, faults }, tally, { ...options, ...most })
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
  const all = Object.values(tallies)
  const seconds = Math.max(...all.map(({ withoutGuardSeconds = 0 }) => withoutGuardSeconds))
  console.log(`\nAn access token of 5 minutes without a guard: ${seconds} s.`)
  const count = (name: 'inactive' | 'none'): number =>
    all.reduce((found, { introspected }) => found + introspected[name], 0)
  console.log(
    `Brokers asked about a token after the acknowledgment: ${count('inactive')} answered that it is inactive, ${count('none')} did not answer.`,
  )
  const receipts = all.reduce((found, one) => found + one.receipts.confirmed, 0)
  console.log(`Receipts that called the client of the guards confirmed: ${receipts}.`)
  const violations = all.flatMap((one) => one.violations)
  console.log(`Violations: ${violations.length}`)
  for (const one of violations) console.log(one)
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

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type RunOptions, runSlice } from './run.ts'
import {
  type Part,
  SUBJECTS,
  type Subject,
  type Tally,
  emptyTally,
  faultsOf,
  isEnough,
} from './tally.ts'
import { load1 } from '../machine/machine.ts'
import { HAS_STANDBY } from '../servers/postgres.ts'

/** The parts of `npm run bench lease-bound` one after the other, and its table. */

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
const SHORT = { guards: 20, each: 0, only: undefined, mostSeconds: 30, longestDelayMs: 3_000 }

function say(words: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${words}`)
}

export async function selfCheck(seed: number): Promise<void> {
  const run = async (
    wrong: Pick<RunOptions, 'wrong' | 'hasWrongReceipts'>,
    isFound: (violations: readonly string[]) => boolean,
  ): Promise<Tally> => {
    // Each run is short, and on a busy machine the guards may hold no lease while it lasts.
    for (let runs = 0; ; runs++) {
      const tally = emptyTally()
      const options = { seed: seed + runs, ...SHORT, ...wrong, python: undefined, say }
      await runSlice(SELF_CHECK, tally, { ...options, save: () => {} })
      if (runs === 2 || isFound(tally.violations)) return tally
    }
  }
  const by = (wrong: string) => (violation: string) => violation.includes(`"wrong":"${wrong}"`)
  const guards = await run({ wrong: 0.75, hasWrongReceipts: false }, (violations) =>
    ['lease', 'sessions'].every((wrong) => violations.some(by(wrong))),
  )
  const [lease = 0, sessions = 0] = ['lease', 'sessions'].map(
    (wrong) => guards.violations.filter(by(wrong)).length,
  )
  const right = guards.violations.length - lease - sessions
  console.log(
    `${faultsOf(guards)} faults: ${lease} violations of 12 guards with a wrong lease, ${sessions} of 3 that do not judge the sessions that they say they judge, ${right} others.`,
  )
  const isOfReceipt = (violation: string): boolean => violation.includes('receipt')
  const receipts = await run({ wrong: 0, hasWrongReceipts: true }, (violations) =>
    violations.some(isOfReceipt),
  )
  const found = receipts.violations.filter(isOfReceipt).length
  const others = receipts.violations.length - found
  console.log(
    `${receipts.receipts.compared} receipts that say of sessions what is true of tokens: ${found} violations, ${others} others.`,
  )
  process.exitCode = lease > 0 && sessions > 0 && found > 0 && right + others === 0 ? 0 : 1
}

/** Measures the named parts and prints the table. `file` keeps the results between runs. */
export async function measure({
  seed,
  faults: allFaults,
  each,
  only,
  guards,
  names,
  file,
}: {
  seed: number
  faults: number
  each: number
  only: 'clocks' | undefined
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
    const options: RunOptions = {
      seed,
      each,
      only,
      guards,
      wrong: 0,
      hasWrongReceipts: false,
      python,
      say,
      save,
      mostSeconds: SLICE_SECONDS,
      longestDelayMs: LONGEST_DELAY_MS,
    }
    while (!isEnough({ ...part, faults }, tally, options)) {
      await runSlice({ ...part, faults }, tally, options)
      save()
    }
  }
  print(tallies)
  console.log(`Load of the machine: ${begun} before, ${load1()} after. Results: ${file}`)
  if (Object.values(tallies).some(({ violations }) => violations.length > 0)) process.exitCode = 1
}

/** Returns the Python that has what the guard in Python needs; installs that first. */
function findPython(): string | undefined {
  const script = new URL('../../../scripts/python-guard.mjs', import.meta.url).pathname
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
    const revocations = all.reduce((count, tally) => count + tally.revocations, 0)
    if (revocations > 0)
      for (const subject of SUBJECTS) printSubject(all, subject, leaseSeconds, revocations)
  }
  const all = Object.values(tallies)
  const seconds = Math.max(...all.map(({ withoutGuardSeconds = 0 }) => withoutGuardSeconds))
  console.log(`\nAn access token of 5 minutes without a guard: ${seconds} s.`)
  const total = (of: (tally: Tally) => number): number =>
    all.reduce((found, tally) => found + of(tally), 0)
  console.log(
    `Brokers asked about a token after the acknowledgment: ${total(({ introspected }) => introspected.inactive)} answered that it is inactive, ${total(({ introspected }) => introspected.none)} did not answer.`,
  )
  console.log(
    `Receipts compared with what was seen: ${total(({ receipts }) => receipts.compared)}. They confirmed tokens of a client ${total(({ receipts }) => receipts.token)} times, sessions ${total(({ receipts }) => receipts.session)} times.`,
  )
  const early = all.flatMap(({ endedEarly }) => Object.entries(endedEarly))
  console.log(
    `A guard called a session ended before it was revoked: ${early.map(([kind, count]) => `${count} (${kind})`).join(', ') || 'none'}.`,
  )
  const violations = all.flatMap((tally) => tally.violations)
  console.log(`Violations: ${violations.length}`)
  for (const violation of violations) console.log(violation)
}

function printSubject(
  tallies: readonly Tally[],
  subject: Subject,
  leaseSeconds: number,
  revocations: number,
): void {
  const all = tallies.map(({ of }) => of[subject])
  console.log(
    `\nLease of ${leaseSeconds} s, ${revocations} revocations. Latest request with a ${subject} that was accepted after the acknowledgment, ms:`,
  )
  console.log(
    `${'fault'.padEnd(52)}${['faults', 'cases', 'p50', 'p99', 'max'].map((word) => word.padStart(9)).join('')}`,
  )
  const kinds = [...new Set(all.flatMap(({ latest }) => Object.keys(latest)))].toSorted()
  for (const kind of [...kinds, undefined]) {
    const isOfKind = ([name]: readonly [string, unknown]): boolean =>
      kind === undefined || kind === name
    const faults = all
      .flatMap(({ counted }) => Object.entries(counted))
      .filter(isOfKind)
      .reduce((found, [, count]) => found + count, 0)
    const times = all
      .flatMap(({ latest }) => Object.entries(latest))
      .filter(isOfKind)
      .flatMap(([, row]) => Object.entries(row))
      .map(([ms, count]) => [Number(ms), count] as const)
    const cells = [faults, ...distribution(times)]
    console.log(
      `${(kind ?? 'all').padEnd(52)}${cells.map((cell) => String(cell).padStart(9)).join('')}`,
    )
  }
}

/** Returns how many there are, p50, p99 and the largest. */
function distribution(times: readonly (readonly [ms: number, count: number])[]): number[] {
  const sorted = times.toSorted(([a], [b]) => a - b)
  const all = sorted.reduce((count, [, occurrences]) => count + occurrences, 0)
  const at = (share: number): number => {
    let passed = 0
    return sorted.find(([, count]) => (passed += count) >= share * all)?.[0] ?? 0
  }
  return [all, at(0.5), at(0.99), sorted.at(-1)?.[0] ?? 0]
}

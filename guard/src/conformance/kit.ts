import { readFileSync } from 'node:fs'
import type { Clock } from '../clock.ts'
import { type Adapter, AdapterGone } from './adapter.ts'
import { Play, type Stage } from './run-case.ts'
import type { Case, Decision, LogoutDecision, Step, TokenSpec } from './shapes.ts'
import type { Keys } from './sign.ts'

/** Runs the cases of the kit against one guard. */

export interface TokenVector extends TokenSpec {
  name: string
  kind: 'access' | 'logout'
  why: string
  section: string
  rules?: string[]
  expect: Decision | LogoutDecision
  /**
   * The token signed for `issuer` and `now` of the file, for tests of a library whose clock can be
   * set.
   */
  signed: string
}

const readJson = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../conformance/${name}`, import.meta.url), 'utf8'))
export const readKeys = (): Keys => readJson('keys.json') as Keys

/** Returns every case. Each vector of a token is a case too. */
export function readCases(): Case[] {
  const { vectors } = readJson('tokens.json') as { vectors: TokenVector[] }
  const { cases } = readJson('feed.json') as { cases: Case[] }
  return [...vectors.map(caseOf), ...cases]
}

function caseOf({ expect, kind, name, rules, section, why, ...token }: TokenVector): Case {
  const step = { do: kind === 'access' ? 'check' : 'logout', token, expect, at_once: true } as Step
  return {
    name: `${kind}-token/${name}`,
    why,
    section,
    rules,
    ...(kind === 'logout' ? { needs: ['logout' as const] } : {}),
    steps: [step],
  }
}

/** Returns the cases whose name contains a text of `only`, and whose section one of `section`. */
export const selected = (
  only: readonly string[] = [''],
  section: readonly string[] = [''],
): Case[] =>
  readCases().filter(
    (each) =>
      only.some((text) => each.name.includes(text)) &&
      section.some((text) => each.section.includes(text)),
  )

export interface Result {
  name: string
  section: string
  /** The feature that the guard lacks, so that the case was left out. */
  missing?: string
  outcome: 'pass' | 'fail' | 'left out'
  /** The reason for the failure, and its consequence. */
  problem?: string
  ms: number
}

export interface RunOptions {
  /** The adapters, each with guards of its own. */
  adapters: readonly Adapter[]
  clock: Clock
  leaseSeconds: number
  /** The factor by which a guard may be slower on a busy machine. */
  patience?: number
  /** Texts of which the name of a case, or its section, must contain one. Default: every case. */
  only?: readonly string[] | undefined
  section?: readonly string[] | undefined
  /** The features that the guard lacks (`NEEDS`). */
  without?: readonly string[]
  onResult?: (result: Result) => void
}

/**
 * Runs the cases and returns their results. Cases that wait run beside others, as many at once as
 * there are adapters.
 * @throws AdapterGone if an adapter ends, because no further case can be run
 */
export async function runKit({ adapters, only, section, ...rest }: RunOptions): Promise<Result[]> {
  const keys = readKeys()
  const cases = selected(only, section)
  const shared = cases.filter((each) => !isOwn(each))
  const waiting = cases.filter(isOwn)
  const results: Result[] = []
  const run = async (adapter: Adapter, first: readonly Case[]): Promise<void> => {
    const note = (result: Result): void => {
      results.push(result)
      rest.onResult?.(result)
    }
    const options = { ...rest, keys, adapter }
    try {
      await runTogether(first, options, note)
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        note(await runOne(next, options, undefined))
    } catch (error) {
      // The other adapters run no further case either.
      waiting.length = 0
      throw error
    }
  }
  const runs = adapters.map((adapter, index) => run(adapter, index === 0 ? shared : []))
  const failed = (await Promise.allSettled(runs)).find(({ status }) => status === 'rejected')
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason
  const place = new Map(cases.map(({ name }, index) => [name, index]))
  return results.sort((a, b) => (place.get(a.name) ?? 0) - (place.get(b.name) ?? 0))
}

const isOwn = ({ steps }: Case): boolean => steps.some((step) => step.do === 'start')

const missingOf = ({ needs }: Case, { without = [] }: Stage): string | undefined =>
  needs?.find((need) => without.includes(need))

/** Runs cases that share one broker and one guard. */
async function runTogether(
  cases: readonly Case[],
  options: Stage,
  note: (result: Result) => void,
): Promise<void> {
  const isRun = cases.some((each) => missingOf(each, options) === undefined)
  const play = isRun ? await startShared(options) : undefined
  try {
    for (const each of cases) note(await runOne(each, options, play))
  } finally {
    await play?.stop()
  }
}

async function runOne(each: Case, options: Stage, shared: Play | undefined): Promise<Result> {
  const { clock } = options
  const begun = clock.monotonicMs()
  const missing = missingOf(each, options)
  const problem =
    missing === undefined ? await playOne(each, options, shared) : `the guard has no ${missing}`
  return {
    name: each.name,
    section: each.section,
    ...(missing === undefined ? {} : { missing }),
    outcome: missing !== undefined ? 'left out' : problem === undefined ? 'pass' : 'fail',
    ...(problem === undefined ? {} : { problem }),
    ms: clock.monotonicMs() - begun,
  }
}

async function startShared(stage: Stage): Promise<Play> {
  const play = new Play(stage)
  await play.start()
  // The guard becomes ready before the first vector. If it does not, each vector reports it.
  await play
    .play({
      steps: [{ do: 'start' }, { do: 'check', token: {}, expect: 'accept', never: 'reject' }],
    })
    .catch(async (error: unknown) => {
      if (error instanceof AdapterGone) await play.stop()
      unlessGone(error)
    })
  return play
}

function unlessGone(error: unknown): void {
  if (error instanceof AdapterGone) throw error
}

async function playOne(
  each: Case,
  stage: Stage,
  shared: Play | undefined,
): Promise<string | undefined> {
  const own = shared === undefined ? new Play(stage) : undefined
  try {
    await own?.start()
    const wrong = await (own ?? shared)?.play(each)
    return wrong === undefined
      ? undefined
      : `${wrong}. ${each.why} (docs/feed.md, "${each.section}")`
  } catch (error) {
    unlessGone(error)
    return (error as Error).message
  } finally {
    await own?.stop().catch(() => {})
  }
}

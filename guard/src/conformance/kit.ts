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

function caseOf({ expect, kind, name, why, ...token }: TokenVector): Case {
  const step = { do: kind === 'access' ? 'check' : 'logout', token, expect, at_once: true } as Step
  return {
    name: `${kind}-token/${name}`,
    why,
    ...(kind === 'logout' ? { needs: ['logout' as const] } : {}),
    steps: [step],
  }
}

export interface Result {
  name: string
  outcome: 'pass' | 'fail' | 'left out'
  /** The reason for the failure, and its consequence. */
  problem?: string
  ms: number
}

export interface RunOptions {
  adapter: Adapter
  clock: Clock
  leaseSeconds: number
  /** The factor by which a guard may be slower on a busy machine. */
  patience?: number
  /** A text that the names of the cases must contain. */
  only?: string | undefined
  /** The features that the guard lacks (`NEEDS`). */
  without?: readonly string[]
  onResult?: (result: Result) => void
}

/**
 * Runs the cases and returns their results.
 * @throws AdapterGone if the adapter ends, because no further case can be run
 */
export async function runKit({
  only = '',
  onResult,
  without = [],
  ...rest
}: RunOptions): Promise<Result[]> {
  const stage: Stage = { ...rest, keys: readKeys() }
  const results: Result[] = []
  let shared: Play | undefined
  try {
    for (const each of readCases().filter(({ name }) => name.includes(only))) {
      const begun = stage.clock.monotonicMs()
      const missing = each.needs?.find((need) => without.includes(need))
      const isOwn = each.steps.some((step) => step.do === 'start')
      if (isOwn && shared !== undefined) shared = await stop(shared)
      if (!isOwn && missing === undefined) shared ??= await startShared(stage)
      const problem =
        missing === undefined ? await playOne(each, stage, shared) : `the guard has no ${missing}`
      const outcome = missing !== undefined ? 'left out' : problem === undefined ? 'pass' : 'fail'
      const result: Result = {
        name: each.name,
        outcome,
        ...(problem === undefined ? {} : { problem }),
        ms: stage.clock.monotonicMs() - begun,
      }
      results.push(result)
      onResult?.(result)
    }
  } finally {
    if (shared !== undefined) await stop(shared)
  }
  return results
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

async function stop(play: Play): Promise<undefined> {
  await play.stop()
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
      : `${wrong}. ${each.why}${each.section === undefined ? '' : ` (docs/feed.md, "${each.section}")`}`
  } catch (error) {
    unlessGone(error)
    return (error as Error).message
  } finally {
    await own?.stop().catch(() => {})
  }
}

import type { z } from 'zod'
import type { ConfigProblem } from '../../config/setting.ts'
import type { finding } from '../contract/shapes.ts'
import { moment } from '../times.ts'

/**
 * The result of one check for one subject. `unknown`: not known yet. Warnings and failures always
 * have a `fix`.
 */
export type Finding = z.output<typeof finding>
export type Found = Omit<Finding, 'check' | 'urgency'>

type More = Partial<Found>
export const ok = (found: string, more?: More): Found => ({ state: 'ok', found, ...more })
export const unknown = (found: string, fix?: string): Found => ({ state: 'unknown', found, fix })
const wrong =
  (state: 'warning' | 'failed') =>
  (found: string, fix: string, more?: More): Found => ({ state, found, fix, ...more })
export const warning = wrong('warning')
export const failed = wrong('failed')

export const settingWarning = ({ name, problem, example }: ConfigProblem): Found =>
  warning(`${name} ${problem}.`, `Rename it to ${example}, or remove it.`, { about: name })

/**
 * Runs `look` for each thing, at most `atOnce` at a time. Returns the findings in order of
 * completion.
 */
export async function eachInTurn<T>(
  things: readonly T[],
  atOnce: number,
  look: (thing: T) => Promise<Found>,
): Promise<Found[]> {
  const left = [...things]
  const found: Found[] = []
  const run = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      found.push(await look(next))
  }
  await Promise.all(Array.from({ length: atOnce }, run))
  return found
}

/** Formats epoch seconds. */
export const at = (seconds: number): string => moment(seconds * 1000)

/** Splits the text of a finding: its first sentence says the cause, the others what follows. */
export function causeOf(found: string): [cause: string, then: string] {
  const [, cause = found, then = ''] = /^(.*?[.!])\s+(.+)$/s.exec(found) ?? []
  return [cause, then]
}

export const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/[.\s]*$/, '.')

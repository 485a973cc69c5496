import type { z } from 'zod'
import type { finding } from '../contract/shapes.ts'

/**
 * The result of one check for one subject. `unknown`: not known yet. Warnings and failures always
 * have a `fix`.
 */
export type Finding = z.output<typeof finding>
export type Found = Omit<Finding, 'check'>

export const ok = (found: string, rest: Partial<Found> = {}): Found => ({
  state: 'ok',
  found,
  ...rest,
})
export const unknown = (found: string, fix?: string, rest: Partial<Found> = {}): Found => ({
  state: 'unknown',
  found,
  fix,
  ...rest,
})
export const warning = (found: string, fix: string, rest: Partial<Found> = {}): Found => ({
  state: 'warning',
  found,
  fix,
  ...rest,
})
export const failed = (found: string, fix: string, rest: Partial<Found> = {}): Found => ({
  state: 'failed',
  found,
  fix,
  ...rest,
})

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

export const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/[.\s]*$/, '.')

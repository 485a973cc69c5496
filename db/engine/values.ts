import type { Random } from '../../src/runtime/ids.ts'

/** A column that may be NULL, as the rest of the broker knows it. */
export const optional = <T>(value: T | null): T | undefined => value ?? undefined

export const parseList = (value: string | null): string[] | undefined =>
  value === null ? undefined : (JSON.parse(value) as string[])

/**
 * An id for a row: it begins with the time, so that rows that are written together stand together
 * in its index too; the rest is random.
 */
export const newRowId = (nowMs: number, random: Random): string =>
  `${nowMs.toString(36).padStart(9, '0')}${random(12).toString('base64url')}`

/** Sorts after every id: they begin with a letter or a digit. */
export const AFTER_EVERY_ID = '~'

/**
 * The parameter of `rowsOf` or `isOneOf`. Half of a surrogate pair, as where a text was cut,
 * becomes U+FFFD: Postgres takes it in no JSON.
 */
export const listOf = (rows: readonly unknown[]): string =>
  JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  )

/**
 * A statement for several rows changes each row once.
 * @returns the items in turns, in each of which a key occurs once: a turn sees what the one before
 * did
 */
export function inTurns<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const turns: T[][] = []
  const taken = new Map<string, number>()
  for (const item of items) {
    const turn = taken.get(keyOf(item)) ?? 0
    taken.set(keyOf(item), turn + 1)
    ;(turns[turn] ??= []).push(item)
  }
  return turns
}

import type { Random } from '../../src/runtime/ids.ts'

/**
 * Returns a nullable column's value with `undefined` for NULL, which the rest of the broker
 * expects.
 */
export const optional = <T>(value: T | null): T | undefined => value ?? undefined

type Optionals<R> = {
  [K in keyof R]: null extends R[K] ? Exclude<R[K], null> | undefined : R[K]
}
/** Returns a row with `undefined` for every NULL. */
export const optionals = <R extends object>(row: R): Optionals<R> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, value ?? undefined]),
  ) as Optionals<R>

export const parseList = (value: string | null): string[] | undefined =>
  value === null ? undefined : (JSON.parse(value) as string[])

/**
 * Returns a source of ids for rows. An id begins with the time and a count, so that ids sort in the
 * order in which this source made them; the rest is random.
 */
export function rowIds(nowMs: () => number, random: Random): () => string {
  let count = 0
  const digits = (value: number, length: number) => value.toString(36).padStart(length, '0')
  return () => {
    count = (count + 1) % 36 ** 4
    return `${digits(nowMs(), 9)}${digits(count, 4)}${random(12).toString('base64url')}`
  }
}

/** A text that sorts after every id: ids begin with a letter or a digit. */
export const AFTER_EVERY_ID = '~'

/**
 * Returns the parameter for `rowsOf` or `isOneOf`. Half of a surrogate pair, from a text that was
 * cut, becomes U+FFFD, because Postgres rejects it in JSON.
 */
export const listOf = (rows: readonly unknown[]): string =>
  JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'string' ? value.toWellFormed() : value,
  )

/**
 * Splits items into turns in which each key occurs once. One statement can change a row only once,
 * and each turn sees the changes of the turn before.
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

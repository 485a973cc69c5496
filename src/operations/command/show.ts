/** Output of commands: columns for users, and the broker's own JSON with `--json`. */

export type Cell = string | number | boolean | null | undefined

/** Aligns rows in columns. @param none the text if there are no rows */
export function columns(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  none?: string,
): string {
  if (rows.length === 0 && none !== undefined) return `${none}\n`
  const cells = [head, ...rows].map((row) => row.map(plain))
  const widths = head.map((_, index) => Math.max(...cells.map((row) => row[index]?.length ?? 0)))
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

/**
 * Replaces control characters: names and addresses come from others and must not control the
 * terminal.
 */
const plain = (cell: Cell): string =>
  cell === null || cell === undefined || cell === ''
    ? '-'
    : String(cell).replace(/[\p{Cc}\p{Cf}]/gu, '?')

export const lines = (pairs: readonly (readonly [string, Cell])[]): string =>
  columns(['', ''], pairs).split('\n').slice(1).join('\n')

/** Puts the name before the id, if the broker knows it. */
export const withName = (name: string | undefined, id: string): string =>
  name === undefined ? id : `${name} (${id})`

/** Formats epoch seconds as UTC. */
export const time = (at: unknown): string =>
  typeof at === 'number' ? new Date(at * 1000).toISOString().replace('.000', '') : '-'
export const timeMs = (at: unknown): string =>
  typeof at === 'number' ? new Date(at).toISOString() : '-'

/** Returns the text of a member. Its name says whether it is a time. */
const cellOf = (name: string, value: unknown): Cell =>
  /(?:^|_)(?:at|until)$/.test(name)
    ? time(value)
    : name.endsWith('_ms')
      ? timeMs(value)
      : Array.isArray(value) && value.every((one) => typeof one === 'string')
        ? value.join(' ')
        : typeof value === 'object' && value !== null
          ? JSON.stringify(value)
          : (value as Cell)

/** Lists every member of an answer with its name, and last its secret, if it has one. */
export function members({ secret, client_secret: own = secret, ...shown }: Shown): string {
  const words = lines(Object.entries(shown).map(([name, value]) => [name, cellOf(name, value)]))
  return own === undefined ? words : `${words}\nIts secret, shown only this once:\n${own}\n`
}
type Shown = object & { secret?: string; client_secret?: string | undefined }

/**
 * Shows a list, and the hint to its next page.
 * @param cells the columns: the member of an entry, or what to print of it
 * @param none the text if there are no entries
 * @param next the broker's cursor, null at the end of the list
 */
export function table<T extends object>(
  entries: readonly T[],
  cells: Readonly<Record<string, (keyof T & string) | ((one: T) => Cell)>>,
  none?: string,
  next: string | number | null = null,
): string {
  const rows = entries.map((one) =>
    Object.values(cells).map((cell) =>
      typeof cell === 'string' ? cellOf(cell, one[cell]) : cell(one),
    ),
  )
  return columns(Object.keys(cells), rows, none) + nextPage(next)
}

export const nextPage = (next: string | number | null): string =>
  next === null ? '' : `There are more: repeat the command with --before ${next}\n`

/** Escapes invisible and control characters, which JSON contains only in strings. */
const escaped = (text: string): string =>
  text.replace(/[\p{Cf}\u007f-\u009f]/gu, (letter) =>
    Array.from({ length: letter.length }, (_, i) => unit(letter.charCodeAt(i))).join(''),
  )
const unit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`

export const json = (value: unknown): string => `${escaped(JSON.stringify(value, null, 2))}\n`
export const jsonLine = (value: unknown): string => `${escaped(JSON.stringify(value))}\n`

/** Replaces control characters in text that others may have chosen. */
export const fenced = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (letter) => (letter === '\n' ? letter : '?'))

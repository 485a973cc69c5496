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

/** Formats epoch seconds as UTC. */
export const time = (at: unknown): string =>
  typeof at === 'number' ? new Date(at * 1000).toISOString().replace('.000', '') : '-'
export const timeMs = (at: unknown): string =>
  typeof at === 'number' ? new Date(at).toISOString() : '-'

/** Lists every member of an answer with its name. */
export const members = (shown: object): string =>
  lines(
    Object.entries(shown).map(([name, value]) => [
      name,
      /_(at|until)$/.test(name)
        ? time(value)
        : Array.isArray(value)
          ? value.join(', ')
          : (value as Cell),
    ]),
  )

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

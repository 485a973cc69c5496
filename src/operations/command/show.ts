/** Output of commands as text. Every command shows its answer by the same rules. */

type Cell = string | number | boolean | null | undefined

/** The members to show of each entry of a list, by the list's name in the answer. */
export type Columns<A> = {
  readonly [K in keyof A]?: A[K] extends readonly (infer One extends object)[]
    ? readonly (keyof One & string)[]
    : never
}

/** Aligns rows in columns. */
function aligned(rows: readonly (readonly Cell[])[]): string {
  const cells = rows.map((row) => row.map(plain))
  const widths = cells[0]?.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    row.map((cell, at) => cell.padEnd(widths?.[at] ?? 0)).join('  ')
  return cells.map((row) => `${line(row).trimEnd()}\n`).join('')
}

/**
 * Replaces control characters: names and addresses come from others and must not control the
 * terminal.
 */
const plain = (cell: Cell): string =>
  cell === null || cell === undefined || cell === ''
    ? '-'
    : String(cell).replace(/[\p{Cc}\p{Cf}]/gu, '?')

export const lines = (pairs: readonly (readonly [string, Cell])[]): string => aligned(pairs)

/** Puts the name before the id, if the broker knows it. */
export const withName = (name: string | undefined, id: string): string =>
  name === undefined ? id : `${name} (${id})`

/** The words for how urgent a problem is. */
export const URGENCY = { now: 'Act now', today: 'Act today', note: 'Note' } as const

/** Formats epoch seconds as UTC. */
export const time = (at: unknown): string =>
  typeof at === 'number' ? new Date(at * 1000).toISOString().replace('.000', '') : '-'
export const timeMs = (at: unknown): string =>
  typeof at === 'number' ? new Date(at).toISOString() : '-'

/** Returns the text of a member. Its name says whether it is a time. */
function cellOf(name: string, value: unknown): Cell {
  if (Array.isArray(value)) return value.map((element) => cellOf(name, element)).join(', ')
  if (typeof value === 'object' && value !== null)
    return Object.entries(value as Record<string, unknown>)
      .filter(
        ([inner, member]) => member !== null && member !== '' && (member !== 0 || inner === 'seq'),
      )
      .map(([inner, member]) =>
        isCount(inner, member) ? `${member} ${inner}` : cellOf(inner, member),
      )
      .join(' ')
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (IS_TIME.test(name)) return name.endsWith('_ms') ? timeMs(value) : time(value)
  return value as Cell
}
const IS_TIME = /(?:^|_)(?:at|until|since|than)(?:_ms)?$/
const isCount = (name: string, value: unknown): value is number =>
  typeof value === 'number' && name !== 'seq' && !IS_TIME.test(name)

const wordsOf = (name: string): string =>
  name.replace(/_ms$/, '').replaceAll('_', ' ').replace('sign ins', 'sign-ins')

/** The member that has the name of what another member identifies. */
const NAME_OF: Readonly<Record<string, string>> = {
  actor: 'actor_name',
  target: 'target_name',
  selector: 'target_name',
}

function table(entries: readonly object[], columns: readonly string[]): string {
  const rows = (entries as readonly Record<string, unknown>[]).map((entry) =>
    columns.map((column) => {
      const cell = cellOf(column, entry[column])
      const name = entry[NAME_OF[column] ?? '']
      return typeof name === 'string' ? withName(name, String(cell)) : cell
    }),
  )
  return aligned([columns.map((name) => wordsOf(name).toUpperCase()), ...rows])
}

/**
 * Shows an answer: a line for each member, a table for each list that has `columns`, the secret if
 * it has one, and how to get the next page.
 */
export function inWords<A extends object>(answer: A, columns: Columns<A> = {}): string {
  const { secret, client_secret: own = secret, next, searched_to: _, ...rest } = answer as Special
  const members = Object.entries<unknown>(rest)
  const facts = members
    .filter(([name]) => !(name in columns))
    .map(([name, value]) => [wordsOf(name), cellOf(name, value)] as const)
  const lists = Object.entries<readonly string[]>(columns as Record<string, readonly string[]>).map(
    ([name, shown]) => [name, (rest[name] ?? []) as object[], shown] as const,
  )
  const filled = lists.filter(([, entries]) => entries.length > 0)
  const shown = [
    ...(facts.length > 0 ? [lines(facts)] : []),
    ...filled.map(
      ([name, entries, of]) =>
        `${facts.length > 0 || filled.length > 1 ? `${wordsOf(name)}:\n` : ''}${table(entries, of)}`,
    ),
    ...(own === undefined ? [] : [`Its secret, shown only this once:\n${own}\n`]),
  ]
  return shown.length === 0
    ? `No ${lists.map(([name]) => wordsOf(name)).join(', ')}.\n`
    : shown.join('\n') + nextPage(next)
}
type Special = Record<string, unknown> & {
  secret?: string
  client_secret?: string
  next?: string | number | null
}

export const nextPage = (next: string | number | null | undefined): string =>
  next === null || next === undefined
    ? ''
    : `There are more: repeat the command with --before ${next}\n`

/** Escapes invisible and control characters, which JSON contains only in strings. */
const escaped = (text: string): string =>
  text.replace(/[\p{Cf}\u007f-\u009f]/gu, (letter) =>
    Array.from({ length: letter.length }, (_, i) => unit(letter.charCodeAt(i))).join(''),
  )
const unit = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`

export const json = (value: unknown): string => `${escaped(JSON.stringify(value, null, 2))}\n`

/** Replaces control characters in text that others may have chosen. */
export const fenced = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}]/gu, (letter) => (letter === '\n' ? letter : '?'))

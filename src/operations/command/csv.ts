import { quotedCell, withoutFormula } from '../../runtime/csv.ts'
import { CommandFailure, EXIT } from './broker.ts'

/**
 * Formats a list as CSV (RFC 4180). Columns have the member names of the admin API; a nested member
 * is `actor.kind`.
 */

type Flat = Map<string, unknown>

/** Returns the CSV of the answer's list. @throws CommandFailure if the answer has no list */
export function csvOf(answer: object): string {
  const rows = listIn(answer).map((entry) => flat(entry))
  const head = [...new Set(rows.flatMap((row) => [...row.keys()]))]
  return [head, ...rows.map((row) => head.map((name) => row.get(name)))]
    .map((cells) => `${cells.map((cell) => field(cell)).join(',')}\r\n`)
    .join('')
}

function listIn(answer: object): unknown[] {
  const [list, ...others] = Object.values(answer).filter((value) => Array.isArray(value))
  if (list !== undefined && others.length === 0) return list
  throw new CommandFailure(
    EXIT.usage,
    'Only a list can be printed as CSV. Leave out --csv, or print JSON with --json.',
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function flat(entry: unknown, under = ''): Flat {
  const row: Flat = new Map()
  for (const [name, value] of Object.entries(isObject(entry) ? entry : { value: entry })) {
    if (isObject(value))
      for (const [inner, cell] of flat(value, `${under}${name}.`)) row.set(inner, cell)
    else row.set(`${under}${name}`, Array.isArray(value) ? listed(value) : value)
  }
  return row
}

const listed = (values: readonly unknown[]): string =>
  values
    .map((value) =>
      typeof value === 'string' || typeof value === 'number'
        ? String(value)
        : JSON.stringify(value),
    )
    .join(' ')

function field(cell: unknown): string {
  if (cell === null || cell === undefined) return ''
  const text = typeof cell === 'string' ? withoutFormula(cell) : JSON.stringify(cell)
  return /[",\r\n]/.test(text) ? quotedCell(text) : text
}

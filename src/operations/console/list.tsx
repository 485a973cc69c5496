import type { Child } from 'hono/jsx'
import type { Searched } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { Button, LinkButton } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { quotedCell, withoutFormula } from '../../runtime/csv.ts'
import { type Column, Table } from './layout.tsx'
import { FIRST, Pages, type PagesProps } from './pages.tsx'
import { asked, type ConsoleRequest, pageLink } from './request.ts'

/** Lists of the console: their filters, columns and pages, and the same entries as CSV. */

interface ListProps<T> {
  label: string
  /** The columns. `false` leaves a column out for this viewer. */
  columns: readonly (readonly [Column, (one: T) => Child | Promise<Child>] | false)[]
  entries: readonly T[]
  none: Child
  /** The place in a list of many pages. Left out if one page holds all. */
  pages?: (Omit<PagesProps, 'request' | 'of'> & { of?: string }) | undefined
}

export async function listOf<T>(
  request: ConsoleRequest,
  { label, columns, entries, none, pages = { place: FIRST, next: undefined } }: ListProps<T>,
): Promise<Child> {
  const shown = columns.filter((one) => one !== false)
  const rows = entries.map((one) => Promise.all(shown.map(async ([, cell]) => cell(one))))
  return (
    <>
      <Table
        label={label}
        head={shown.map(([name]) => name)}
        rows={await Promise.all(rows)}
        none={pages.searchedTo === undefined ? none : 'No match so far.'}
      />
      <Pages request={request} of={label.toLowerCase()} {...pages} />
    </>
  )
}

/**
 * A filter field: a text with its placeholder, a choice of options, or a time in UTC to the minute.
 */
type Field = readonly [
  name: string,
  label: string,
  kind?: string | readonly (readonly [value: string, text: Child])[] | typeof MOMENT,
]
export const MOMENT = { moment: true } as const
const SHAPE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?$/

/** Returns the time of a filter field in epoch seconds, or undefined if the field holds no time. */
export function momentOf(request: ConsoleRequest, name: string): number | undefined {
  const value = asked(request, name) ?? ''
  const at = SHAPE.test(value)
    ? Date.parse(value.length === 10 ? `${value}T00:00Z` : `${value}Z`)
    : Number.NaN
  return Number.isNaN(at) ? undefined : Math.floor(at / 1000)
}

function FilterField({ request, field }: { request: ConsoleRequest; field: Field }) {
  const [name, label, kind] = field
  if (kind === undefined || typeof kind === 'string')
    return (
      <TextField
        name={name}
        label={label}
        value={asked(request, name)}
        maxlength={200}
        placeholder={kind}
        literal
      />
    )
  if (!('moment' in kind))
    return <SelectField name={name} label={label} options={kind} chosen={asked(request, name)} />
  const at = momentOf(request, name)
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <input
        id={name}
        name={name}
        type="datetime-local"
        value={at === undefined ? undefined : new Date(at * 1000).toISOString().slice(0, 16)}
      />
    </div>
  )
}

/**
 * The form that filters a list.
 * @param fields `false` leaves a field out for this viewer
 */
export function Filters({
  request,
  path,
  fields,
}: {
  request: ConsoleRequest
  path: string
  fields: readonly (Field | false)[]
}) {
  const shown = fields.filter((one) => one !== false)
  return (
    <form class="search" method="get" action={pageLink(request, path)}>
      {shown.map((field) => (
        <FilterField request={request} field={field} />
      ))}
      <div class="row">
        <Button>Show</Button>
        {shown.some(([name]) => asked(request, name) !== undefined) ? (
          <LinkButton kind="quiet" href={pageLink(request, path)}>
            Show all
          </LinkButton>
        ) : null}
      </div>
    </form>
  )
}

/** Returns the problem of a filter that names no one, so that the page can say it. */
export const orProblem = <T,>(filter: Promise<T>): Promise<T | Problem> =>
  filter.catch((error: unknown) => {
    if (error instanceof Problem) return error
    throw error
  })

export const CsvLink = ({ request, list }: { request: ConsoleRequest; list: string }) => (
  <p>
    <a href={pageLink(request, `/${list}.csv`)} download={`${list}.csv`}>
      Download all as CSV
    </a>
  </p>
)

type Cell = string | number | undefined
const cellText = (cell: Cell): string => {
  const text = typeof cell === 'string' ? withoutFormula(cell) : String(cell ?? '')
  return /[",\r\n]/.test(text) ? quotedCell(text) : text
}

/**
 * Yields a list from its start to its end. Memory holds one page at a time.
 * @param cursorOf returns the cursor after the last entry of a full page
 */
export async function* everyPage<T, P>(
  size: number,
  read: (bounds: { before: P | undefined; limit: number; most: number }) => Promise<Searched<T, P>>,
  cursorOf: (last: T) => P,
): AsyncGenerator<T[]> {
  for (let before: P | undefined; ;) {
    const { found, searchedTo } = await read({ before, limit: size, most: size })
    yield found
    const last = found.at(-1)
    if (searchedTo === undefined && (last === undefined || found.length < size)) return
    before = searchedTo ?? (last && cursorOf(last))
  }
}

/** Sends the rows as CSV (RFC 4180) while it reads them, so that their number is not limited. */
export function csvResponse<T>(
  name: string,
  columns: readonly (readonly [name: string, cell: (one: T) => Cell | Promise<Cell>])[],
  pages: AsyncGenerator<T[]>,
): Response {
  const lines = (rows: readonly (readonly Cell[])[]) =>
    new TextEncoder().encode(rows.map((row) => `${row.map(cellText).join(',')}\r\n`).join(''))
  const rowOf = (one: T) => Promise.all(columns.map(async ([, cell]) => cell(one)))
  const body = new ReadableStream<Uint8Array>({
    start: (out) => out.enqueue(lines([columns.map(([head]) => head)])),
    async pull(out) {
      const next = await pages.next()
      if (next.done === true) out.close()
      else out.enqueue(lines(await Promise.all(next.value.map(rowOf))))
    },
    async cancel() {
      await pages.return(undefined)
    },
  })
  const headers = {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  }
  return new Response(body, {
    headers: { ...headers, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' },
  })
}

/** Returns the time in ISO 8601, for spreadsheets. */
export const isoTime = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : new Date(seconds * 1000).toISOString()

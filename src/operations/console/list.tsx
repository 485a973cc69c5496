import { html } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { Searched } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { Button, LinkButton, Notice } from '../../pages/components.tsx'
import { MomentField, SelectField, TextField, timeIn } from '../../pages/fields.tsx'
import { quotedCell, withoutFormula } from '../../runtime/csv.ts'
import { download } from '../../pages/download.ts'
import { type ListName, exportAs } from '../acts/scope.ts'
import { MOST_ENTRIES } from '../acts/search.ts'
import { type Column, columnName, consolePage, Live, nothingHere, Panel, Table } from './layout.tsx'
import { FIRST, Pages, type PagesProps, pageOfSearch, placeOf } from './pages.tsx'
import { queryParam, type ConsoleRequest, type Mounted, pageLink } from './request.ts'
import { LIST } from './texts/list.ts'
import { Time } from './time.tsx'
import type { NavPath } from './texts/layout.ts'

/** Lists of the console: their filters, columns and pages, and the same entries as CSV. */

type Text = string | number | undefined
/** A cell of the page, or none, and the text of CSV. Default: the cell. `false`: not in CSV. */
type ListColumn<T> = readonly [
  head: Column,
  cell: ((item: T) => Child | Promise<Child>) | undefined,
  text?: ((item: T) => Text | Promise<Text>) | false,
]
/** `false` leaves a column out for this viewer. */
export type Columns<T> = readonly (ListColumn<T> | false)[]

/** A column with a time, in CSV as ISO 8601. */
export const timeColumn = <T,>(
  { deps }: ConsoleRequest,
  head: string,
  atMs: (item: T) => number | undefined,
): ListColumn<T> => [
  head,
  (item) => {
    const at = atMs(item)
    return at === undefined ? '' : <Time atMs={at} nowMs={deps.clock.nowMs()} />
  },
  (item) => iso(atMs(item)),
]
/** Returns a time as CSV has it. */
export const iso = (atMs: number | undefined): string | undefined =>
  atMs === undefined ? undefined : new Date(atMs).toISOString()
/** Returns epoch milliseconds. */
export const ms = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000

interface Rows<T> {
  label: string
  columns: Columns<T>
  entries: readonly T[]
  none: Child
  /** The place in a list of many pages. Left out if one page holds all. */
  pages?: Omit<PagesProps, 'request' | 'of'> | undefined
}

export async function listOf<T>(
  request: ConsoleRequest,
  { label, columns, entries, none, pages = { place: FIRST, next: undefined } }: Rows<T>,
): Promise<Child> {
  const shown = columns.flatMap((column) =>
    column === false || column[1] === undefined ? [] : [[column[0], column[1]] as const],
  )
  const rows = entries.map((entry) => Promise.all(shown.map(async ([, cell]) => cell(entry))))
  return (
    <>
      <Table
        label={label}
        head={shown.map(([name]) => name)}
        rows={await Promise.all(rows)}
        none={pages.searchedTo === undefined ? none : LIST.noneSoFar}
      />
      <Pages request={request} of={label.toLowerCase()} {...pages} />
    </>
  )
}

/** `more`: entries match that the search does not reach. */
type Reading<T, P, S> = (bounds: {
  from: P | undefined
  limit: number
  most: number
}) => Promise<Searched<T, S> & { more?: boolean | undefined }>

/** A list with a page of its own, whose rows that the query asks for can be downloaded as CSV. */
interface List<T, P, S> {
  /** Its address, and its name in the audit log. */
  name: ListName
  title: string
  /** The page of the navigation that is marked. Default: the list's own. */
  at?: NavPath
  tenant?: true
  /** True if the first page updates itself. */
  live?: true
  /** Returns the address at which the page opens, if it is another one. */
  opensAt?: (request: ConsoleRequest) => Promise<string | undefined>
  size?: number
  /** The label of the table. Default: the title. */
  label?: string
  columns: (request: ConsoleRequest) => Columns<T>
  none: string
  /** The fields of the filter. */
  fields?: (request: ConsoleRequest) => Fields | Promise<Fields>
  /**
   * Looks up what the filter names, and returns a function that reads the entries after a place.
   * @throws Problem if a filter names no one
   */
  read: (request: ConsoleRequest) => Promise<Reading<T, P, S>>
  placeIn: (request: ConsoleRequest, cursor: string) => P | undefined
  cursorOf: (request: ConsoleRequest, last: T | S) => string
  /** Says where a search stopped. */
  stopped?: (request: ConsoleRequest, at: S) => Child
  /** The heading of the table. `whole`: one page holds all. */
  heading?: (
    request: ConsoleRequest,
    shown: readonly T[],
    whole: boolean,
  ) => string | undefined | Promise<string>
  /** Parts of the page above the filter and below the table. */
  above?: (request: ConsoleRequest) => Child | Promise<Child>
  /** A remark below the table. */
  note?: (request: ConsoleRequest, shown: readonly T[]) => Child
  below?: (request: ConsoleRequest, shown: readonly T[]) => Child
}

async function listPage<T, P, S>(request: ConsoleRequest, list: List<T, P, S>): Promise<Response> {
  const { name, title, label = title, size = 50, none } = list
  const opensAt = await list.opensAt?.(request)
  if (opensAt !== undefined) return request.c.redirect(opensAt, 303)
  const place = placeOf(request, (text) => list.placeIn(request, text))
  const found = await orProblem(
    list
      .read(request)
      .then((read) => read({ from: place.from, limit: size + 1, most: MOST_ENTRIES })),
  )
  const fields = (await list.fields?.(request)) ?? []
  const { shown, next, searchedTo } = pageOfSearch(
    found instanceof Problem ? { found: [], searchedTo: undefined } : found,
    size,
    (item) => list.cursorOf(request, item),
  )
  const pages = { place, next, searchedTo: searchedTo && list.stopped?.(request, searchedTo) }
  const columns = list.columns(request)
  const note = list.note?.(request, shown)
  const isWhole = place.before === undefined && next === undefined
  return consolePage(
    request,
    { title, at: atOf(list), live: list.live === true && place.before === undefined },
    <>
      {await list.above?.(request)}
      {fields.length === 0 ? null : (
        <Panel>
          <Filters request={request} path={`/${name}`} fields={fields} />
        </Panel>
      )}
      {found instanceof Problem ? (
        <Notice kind="warn" title={found.message} />
      ) : (
        <Live id={name}>
          <Panel title={await list.heading?.(request, shown, isWhole)}>
            {await listOf<T>(request, { label, columns, entries: shown, none, pages })}
            {found.more ? <p class="soft">{LIST.more}</p> : null}
            <p>
              <a
                href={pageLink(request, `/${name}.csv`, queryOf(request, fields))}
                download={`${name}.csv`}
              >
                {LIST.csv}
              </a>
            </p>
            {note ? <p class="soft small">{note}</p> : null}
          </Panel>
          {list.below?.(request, shown)}
        </Live>
      )}
    </>,
  )
}

/** The most entries that an export reads at once, which bounds its memory. */
const EXPORTED = 50

/** Yields a list from its start to its end. @throws Problem if it cannot reach the end */
async function* everyPage<T, P, S>(
  request: ConsoleRequest,
  list: List<T, P, S>,
): AsyncGenerator<T[]> {
  const bounds = { limit: EXPORTED, most: EXPORTED }
  const read = await list.read(request)
  for (let from: P | undefined; ;) {
    const { found, searchedTo, more } = await read({ ...bounds, from })
    if (more) throw new Problem(422, ...LIST.tooMany)
    yield found
    const last = searchedTo ?? (found.length < EXPORTED ? undefined : found.at(-1))
    if (last === undefined) return
    from = list.placeIn(request, list.cursorOf(request, last))
  }
}

async function listCsv<T, P, S>(request: ConsoleRequest, list: List<T, P, S>): Promise<Response> {
  const pages = everyPage(request, list)
  const first = await orProblem(pages.next())
  if (first instanceof Problem) return nothingHere(request, first.message, atOf(list), 422)
  await exportAs(request.deps, request.viewer.caller, list.name, request.now)
  const columns = list.columns(request).flatMap((column) => {
    if (column === false || column[2] === false) return []
    const [head, cell, text = cell] = column
    return [{ head: columnName(head), cell: async (each: T) => textOf(await text?.(each)) }]
  })
  const lineOf = async (entry: T) =>
    csvLine(await Promise.all(columns.map(({ cell }) => cell(entry))))
  async function* lines(page: Awaited<ReturnType<typeof pages.next>>) {
    yield csvLine(columns.map(({ head }) => head))
    for (; page.done !== true; page = await pages.next())
      yield (await Promise.all(page.value.map(lineOf))).join('')
  }
  return download(lines(first), 'text/csv; charset=utf-8', `${list.name}.csv`)
}

/** Returns a line of CSV (RFC 4180). */
const csvLine = (cells: readonly Text[]): string => `${cells.map(cellText).join(',')}\r\n`
const cellText = (cell: Text): string => {
  const text = typeof cell === 'string' ? withoutFormula(cell) : String(cell ?? '')
  return /[",\r\n]/.test(text) ? quotedCell(text) : text
}

/** Returns a cell as text: that of the page, without its elements. */
async function textOf(cell: Child | Text): Promise<Text> {
  if (typeof cell === 'string' || typeof cell === 'number') return cell
  return String(await html`${cell}`)
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: keyof typeof ESCAPED) => ESCAPED[name])
    .replaceAll(/\s+/g, ' ')
    .trim()
}
const ESCAPED = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" } as const

const atOf = <T, P, S>({ at, name }: List<T, P, S>): NavPath => at ?? (`/${name}` as NavPath)

/** Returns the routes of a list: its page and its CSV. */
export const listRoutes = <T, P, S>(list: List<T, P, S>): Mounted[] =>
  (
    [
      ['', listPage],
      ['.csv', listCsv],
    ] as const
  ).map(([ending, page]) => ({
    path: `/${list.name}${ending}`,
    ...(list.tenant && { tenant: true }),
    page: (request) => page(request, list),
  }))

/** Returns the routes of a list that is read at once. */
export const wholeListRoutes = <T,>({
  all,
  idOf,
  ...list
}: Omit<List<T, string, T>, 'read' | 'placeIn' | 'cursorOf'> & {
  all: (request: ConsoleRequest) => Promise<readonly T[]>
  idOf: (item: T) => string
}): Mounted[] =>
  listRoutes<T, string, T>({
    ...list,
    async read(request) {
      const entries = await all(request)
      return async ({ from, limit }) => {
        const start = entries.findIndex((entry) => idOf(entry) === from) + 1
        return { found: entries.slice(start, start + limit), searchedTo: undefined }
      }
    },
    placeIn: (_, cursor) => cursor,
    cursorOf: (_, item) => idOf(item),
  })

/**
 * A filter field: a text with its placeholder, a choice of options, or a time in UTC to the minute.
 */
type Field = readonly [
  name: string,
  label: string,
  kind?: string | readonly (readonly [value: string, text: Child])[] | typeof MOMENT,
]
/** `false` leaves a field out for this viewer. */
type Fields = readonly (Field | false)[]
const MOMENT = { moment: true } as const
/** The fields of a period. */
export const PERIOD: readonly Field[] = [
  ['since', LIST.from, MOMENT],
  ['until', LIST.before, MOMENT],
]

/**
 * Returns the time of a filter field in epoch seconds.
 * @throws Problem if the field holds no time
 */
export const momentOf = (request: ConsoleRequest, name: string): number | undefined =>
  momentIn(queryParam(request, name))

/** Returns the time of a field in epoch seconds. @throws Problem if the text is no time */
export function momentIn(text: string | undefined): number | undefined {
  const at = timeIn(text)
  if (Number.isNaN(at)) throw new Problem(422, ...LIST.noTime(text))
  return at
}

function FilterField({ request, field }: { request: ConsoleRequest; field: Field }) {
  const [name, label, kind] = field
  if (kind === undefined || typeof kind === 'string')
    return (
      <TextField
        name={name}
        label={label}
        value={queryParam(request, name)}
        maxlength={200}
        placeholder={kind}
        literal
      />
    )
  if (!('moment' in kind))
    return (
      <SelectField name={name} label={label} options={kind} chosen={queryParam(request, name)} />
    )
  return <MomentField name={name} label={label} at={timeIn(queryParam(request, name))} />
}

const shownOf = (fields: Fields): Field[] => fields.filter((field) => field !== false)
/** Returns the filter of the query, for a link to the same entries. */
const queryOf = (request: ConsoleRequest, fields: Fields) =>
  Object.fromEntries(shownOf(fields).map(([name]) => [name, queryParam(request, name)]))

/** The id of the form that filters a list. Parts of the list can belong to the form by it. */
export const FILTER = 'filter'

/** The form that filters a list. */
function Filters({
  request,
  path,
  fields,
}: {
  request: ConsoleRequest
  path: string
  fields: Fields
}) {
  const isFiltered = Object.values(queryOf(request, fields)).some(Boolean)
  return (
    <form class="search" id={FILTER} method="get" action={pageLink(request, path)}>
      {shownOf(fields).map((field) => (
        <FilterField request={request} field={field} />
      ))}
      <div class="row">
        <Button>Show</Button>
        {isFiltered ? (
          <LinkButton kind="quiet" href={pageLink(request, path)}>
            {LIST.showAll}
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

import type { Child } from 'hono/jsx'
import type { Searched } from '../../../db/types.ts'
import { type ConsoleRequest, tidOf } from './request.ts'
import { PAGES } from './texts/list.ts'

/**
 * Pages of a list by cursor. The query holds the cursor of this page and those of the pages before
 * it, so that a list is read in one direction only and "Previous page" leads back. A cursor of
 * another shape leads to the first page.
 */

/** The most pages that "Previous page" leads back. The link after them leads to the first page. */
const MOST_BACK = 40

/**
 * The shape of a log's number in an address. The numbers count what happens in every tenant, so
 * they are sealed for the administrator of one tenant.
 */
const NUMBER = { open: /^\d{1,15}$/, sealed: /^[\w-]{1,200}$/ }
type Numbering = Pick<ConsoleRequest, 'deps' | 'viewer'>
const placeFor = (tid: string): string => `tenant/cursor/${tid}`

export function numberText(request: Numbering, number: number): string {
  const tid = tidOf(request)
  return tid === undefined
    ? String(number)
    : request.deps.sealer.seal(placeFor(tid), String(number))
}

/** Reads a number that `numberText` wrote for this viewer. Returns undefined for any other text. */
export function numberIn(request: Numbering, text = ''): number | undefined {
  const tid = tidOf(request)
  if (tid === undefined) return NUMBER.open.test(text) ? Number(text) : undefined
  const opened = NUMBER.sealed.test(text)
    ? request.deps.sealer.open(placeFor(tid), text)
    : undefined
  return opened === undefined ? undefined : Number(opened.toString('utf8'))
}

/** Reads the cursor of a list whose cursors are ids. */
export const idIn = (text: string): string | undefined =>
  /^[\w-]{1,100}$/.test(text) ? text : undefined

export interface Place<P = unknown> {
  /** The entry after which the page begins. Undefined for the first page. */
  from: P | undefined
  /** The cursor of the page, which names that entry. */
  before: string | undefined
  /** The cursors of the pages before this one, without the first page. */
  back: readonly string[]
}

export const FIRST = { from: undefined, before: undefined, back: [] } as const

/**
 * Returns the place that the query names.
 * @param read reads a cursor, and returns undefined for any other text
 * @param list the prefix of the parameters, for a page with two lists
 */
export function placeOf<P>(
  { c }: Asking,
  read: (text: string) => P | undefined,
  list = '',
): Place<P> {
  const before = c.req.query(`${list}before`)
  const from = before === undefined ? undefined : read(before)
  if (from === undefined) return FIRST
  const back = (c.req.queries(`${list}back`) ?? []).filter((query) => read(query) !== undefined)
  return { from, before, back: back.slice(-MOST_BACK) }
}

/**
 * Returns the entries of one page, and the cursor of the next page if there is one.
 * @param found the entries of the page, and one more if there is a next page
 */
export function pageOf<T>(
  found: readonly T[],
  size: number,
  cursorOf: (last: T) => string,
): { shown: T[]; next: string | undefined } {
  const shown = found.slice(0, size)
  const last = shown.at(-1)
  return { shown, next: found.length > size && last !== undefined ? cursorOf(last) : undefined }
}

/**
 * Returns one page of a bounded search. If the search stopped before the page was full, the next
 * page continues there.
 */
export function pageOfSearch<T, P>(
  { found, searchedTo }: Searched<T, P>,
  size: number,
  cursorOf: (last: T | P) => string,
) {
  const { shown, next } = pageOf(found, size, cursorOf)
  return { shown, next: searchedTo === undefined ? next : cursorOf(searchedTo), searchedTo }
}

type Asking = Pick<ConsoleRequest, 'c'>

export interface PagesProps {
  request: Asking
  /** The name of the list, for screen readers. */
  of: string
  place: Place
  next: string | undefined
  list?: string
  /** The place at which the search stopped, if it stopped before the page was full. */
  searchedTo?: Child
}

/** Renders links to the first, the previous and the next page, or nothing if one page holds all. */
export function Pages({
  request,
  of,
  place: { before, back },
  next,
  list = '',
  searchedTo,
}: PagesProps) {
  if (before === undefined && next === undefined) return null
  const at = (to: string | undefined, earlier: readonly string[]): string => {
    const url = new URL(request.c.req.url)
    for (const name of [`${list}before`, `${list}back`, ...ONCE]) url.searchParams.delete(name)
    if (to !== undefined) url.searchParams.set(`${list}before`, to)
    for (const cursor of earlier.slice(-MOST_BACK)) url.searchParams.append(`${list}back`, cursor)
    return url.pathname + url.search
  }
  const links = (
    <nav class="row" aria-label={PAGES.of(of)}>
      {before === undefined ? null : <a href={at(undefined, [])}>{PAGES.first}</a>}
      {before === undefined ? null : (
        <a href={at(back.at(-1), back.slice(0, -1))} rel="prev">
          {PAGES.previous}
        </a>
      )}
      {next === undefined ? null : (
        <a href={at(next, before === undefined ? [] : [...back, before])} rel="next">
          {searchedTo === undefined ? PAGES.next : PAGES.further}
        </a>
      )}
    </nav>
  )
  if (searchedTo === undefined) return links
  return (
    <div class="stack">
      <p>Searched back to {searchedTo}. Older entries are not searched yet.</p>
      {links}
    </div>
  )
}

/** The parameters that show the result of an act once. Links to other pages leave them out. */
const ONCE = ['done', 'number']

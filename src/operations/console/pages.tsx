import type { Child } from 'hono/jsx'
import type { Searched } from '../../../db/types.ts'
import { type ConsoleRequest, tidOf } from './request.ts'

/**
 * Pages of a list by cursor. The address holds where this page begins, and where those before it
 * began: so every list needs one direction only, and "Previous" shows the page that was left.
 * Refuses a cursor of another shape: the list begins again.
 */

/** How far "Previous" leads; from farther on it leads to the first page. */
const MOST_BACK = 40

/**
 * A log's number in an address. The numbers count what happens in every tenant: for the
 * administrator of one tenant they are sealed.
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

/** Undefined where it is no number of this viewer's. */
export function numberIn(request: Numbering, text = ''): number | undefined {
  const tid = tidOf(request)
  if (tid === undefined) return NUMBER.open.test(text) ? Number(text) : undefined
  const opened = NUMBER.sealed.test(text)
    ? request.deps.sealer.open(placeFor(tid), text)
    : undefined
  return opened === undefined ? undefined : Number(opened.toString('utf8'))
}

/** Where a page of a log begins, and its number; the first page where the cursor is no number. */
export function numberedPlace(request: ConsoleRequest): {
  place: Place
  before: number | undefined
} {
  const place = placeOf(request, tidOf(request) === undefined ? NUMBER.open : NUMBER.sealed)
  const before = numberIn(request, place.before)
  return before === undefined ? { place: FIRST, before } : { place, before }
}

/** Of deliveries: the id of the last one. */
export const DELIVERY = /^[\w-]{1,100}$/

export interface Place {
  /** Not there: the first page. */
  before: string | undefined
  /** Where the pages before this one began, the first not included. */
  back: readonly string[]
}

const FIRST: Place = { before: undefined, back: [] }

/** @param list names the list where a page has two */
export function placeOf({ c }: Asking, shape: RegExp, list = ''): Place {
  const before = c.req.query(`${list}before`)
  if (before === undefined || !shape.test(before)) return FIRST
  return {
    before,
    back: (c.req.queries(`${list}back`) ?? []).filter((one) => shape.test(one)).slice(-MOST_BACK),
  }
}

/**
 * What of a page is shown, and the cursor of the next one.
 * @param found one more than a page holds, where there is more
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
 * The same of a bounded search. Where it came to an end before the page was full, the next page
 * goes on from there.
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
  /** What is listed: for screen readers. */
  of: string
  place: Place
  next: string | undefined
  list?: string
  /** How far the search came, where it came to an end before the page was full. */
  searchedTo?: Child
}

/** Links to the first, the previous and the next page; nothing where one page holds all. */
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
    for (const one of earlier.slice(-MOST_BACK)) url.searchParams.append(`${list}back`, one)
    return url.pathname + url.search
  }
  const links = (
    <nav class="row" aria-label={`Pages of ${of}`}>
      {before === undefined ? null : <a href={at(undefined, [])}>First page</a>}
      {before === undefined ? null : (
        <a href={at(back.at(-1), back.slice(0, -1))} rel="prev">
          Previous page
        </a>
      )}
      {next === undefined ? null : (
        <a href={at(next, before === undefined ? [] : [...back, before])} rel="next">
          {searchedTo === undefined ? 'Next page' : 'Search further back'}
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

/** What a page says once, after an act. */
const ONCE = ['done', 'closed', 'redriven', 'tried']

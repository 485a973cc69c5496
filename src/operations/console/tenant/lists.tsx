import type { Child } from 'hono/jsx'
import type { Searched } from '../../../../db/types.ts'
import type { Actor } from '../../../protocol/revocation.ts'
import { quotedCell, withoutFormula } from '../../../runtime/csv.ts'
import { fellowOf } from '../../acts/tenant.ts'
import { Notice } from '../../../pages/components.tsx'
import { whoIs } from '../format.ts'
import { type Place, placeOf } from '../pages.tsx'
import type { TenantRequest } from './layout.tsx'

/** What lists of a tenant share: addresses, cursors, who did it, CSV. */

export const USERS = '/tenant/users'
export const userPath = (sub: string): string => `${USERS}/${encodeURIComponent(sub)}`

export const asked = ({ c }: Pick<TenantRequest, 'c'>, name: string): string | undefined =>
  c.req.query(name)?.trim().slice(0, 400) || undefined

const DONE: Readonly<Record<string, string>> = {
  revoked: 'Revoked. The broker now refuses what it covers, and is delivering the logout tokens.',
  locked: 'The user is locked and signed out.',
  lifted: 'The lock is lifted. The user can sign in again.',
}
export function doneNotice(request: TenantRequest): Child {
  const said = DONE[asked(request, 'done') ?? '']
  return said === undefined ? null : <Notice kind="good" title={said} />
}

/** Numbers of a log count what happens in every tenant: a cursor holds one sealed. */
const PLACE = 'tenant/cursor'
const SEALED = /^[\w-]{1,200}$/
const placeFor = ({ administrator }: TenantRequest): string => `${PLACE}/${administrator.actor.tid}`
export const sealedNumber = (request: TenantRequest, number: number): string =>
  request.deps.sealer.seal(placeFor(request), String(number))

/**
 * Where a page of a log begins, and its number; the first page where the cursor is not one of this
 * tenant.
 */
export function numberedPlace(request: TenantRequest): {
  place: Place
  before: number | undefined
} {
  const place = placeOf(request, SEALED)
  const opened =
    place.before === undefined
      ? undefined
      : request.deps.sealer.open(placeFor(request), place.before)
  return opened === undefined
    ? { place: { before: undefined, back: [] }, before: undefined }
    : { place, before: Number(opened.toString('utf8')) }
}

/** An administrator of the same tenant by name. Which operator it was is the operators' own. */
export async function byWords(
  { deps, administrator }: TenantRequest,
  actor: Actor,
): Promise<{ by: string; isOwn: boolean }> {
  const fellow = await fellowOf(deps, administrator.actor, actor)
  if (fellow !== undefined) return { by: whoIs({ user: fellow }), isOwn: true }
  return { by: BY[actor.kind], isOwn: false }
}
const BY: Record<Actor['kind'], string> = {
  user: 'The user',
  client: 'An app',
  operator: 'An operator',
  microsoft: 'Microsoft',
  broker: 'The broker',
}

type Cell = string | number | undefined
const cellText = (cell: Cell): string => {
  const text = typeof cell === 'string' ? withoutFormula(cell) : String(cell ?? '')
  return /[",\r\n]/.test(text) ? quotedCell(text) : text
}

/**
 * A list to its end, a page in memory at a time.
 * @param cursorOf the place of the last one of a full page
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

/** Rows as they are read, so that their number does not matter (RFC 4180). */
export function csvResponse(
  name: string,
  head: readonly string[],
  pages: AsyncGenerator<Cell[][]>,
): Response {
  const lines = (rows: readonly (readonly Cell[])[]) =>
    new TextEncoder().encode(rows.map((row) => `${row.map(cellText).join(',')}\r\n`).join(''))
  const body = new ReadableStream<Uint8Array>({
    start: (out) => out.enqueue(lines([head])),
    async pull(out) {
      const next = await pages.next()
      if (next.done === true) out.close()
      else out.enqueue(lines(next.value))
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

/** For a spreadsheet. */
export const isoTime = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : new Date(seconds * 1000).toISOString()

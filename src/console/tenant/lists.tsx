import type { Child } from 'hono/jsx'
import type { Actor } from '../../protocol/revocation.ts'
import { quotedCell, withoutFormula } from '../../protocol/csv.ts'
import { fellowOf } from '../../acts/tenant.ts'
import { Notice } from '../../page/components.tsx'
import { whoIs } from '../format.ts'
import type { TenantRequest } from './desk.tsx'

/** What lists of a tenant share: addresses, cursors, who did it, CSV. */

export const USERS = '/tenant/users'
export const userPath = (sub: string): string => `${USERS}/${encodeURIComponent(sub)}`

export const asked = ({ c }: Pick<TenantRequest, 'c'>, name: string): string | undefined => c.req.query(name)?.trim().slice(0, 400) || undefined

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
export const sealedNumber = ({ deps, administrator }: TenantRequest, number: number): string =>
  deps.sealer.seal(`${PLACE}/${administrator.actor.tid}`, String(number))
export function numberBefore(request: TenantRequest): number | undefined {
  const before = asked(request, 'before')
  const opened = before === undefined ? undefined : request.deps.sealer.open(`${PLACE}/${request.administrator.actor.tid}`, before)
  return opened === undefined ? undefined : Number(opened.toString('utf8'))
}

/** The link to the next page of a list, if there is one. */
export function Next({ request, before }: { request: TenantRequest; before: string | undefined }) {
  if (before === undefined) return null
  const url = new URL(request.c.req.url)
  url.searchParams.delete('done')
  url.searchParams.set('before', before)
  return (
    <p>
      <a href={url.pathname + url.search} rel="next">
        Next page
      </a>
    </p>
  )
}

/** An administrator of the same tenant by name. Which operator it was is the operators' own. */
export async function byWords({ deps, administrator }: TenantRequest, actor: Actor): Promise<{ by: string; isOwn: boolean }> {
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

/** Rows as they are read, so that their number does not matter (RFC 4180). */
export function csvResponse(name: string, head: readonly string[], pages: AsyncGenerator<Cell[][]>): Response {
  const lines = (rows: readonly (readonly Cell[])[]) => new TextEncoder().encode(rows.map((row) => `${row.map(cellText).join(',')}\r\n`).join(''))
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
  const headers = { 'Content-Type': 'text/csv; charset=utf-8', 'Content-Disposition': `attachment; filename="${name}.csv"` }
  return new Response(body, { headers: { ...headers, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } })
}

/** For a spreadsheet. */
export const isoTime = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : new Date(seconds * 1000).toISOString()

import type { Context } from 'hono'
import type { Session, Tenant } from '../../../db/types.ts'
import type { Caller, Right } from '../../clients/caller.ts'
import type { Deps } from '../deps.ts'

/** A request of the console: who asks and for what, and the addresses of its pages. */

/** Who is at the console. */
export interface Viewer {
  session: Session
  caller: Caller
  /**
   * The tenant that its administrator is kept within. An operator has none, and sees every tenant.
   */
  tenant?: Tenant
}

export interface ConsoleRequest {
  deps: Deps
  c: Context
  viewer: Viewer
  now: number
}

/** A page and a form of the console, by their path after /ops and /tenant. */
export interface Mounted {
  path: string
  /** Left out: a page is open to auditors, a form to operators. */
  need?: Right
  /** Open to the administrator of a tenant too. Left out: to operators alone. */
  tenant?: true
  page?: (request: ConsoleRequest) => Response | Promise<Response>
  form?: (request: ConsoleRequest, form: URLSearchParams) => Promise<Response>
}

/** An administrator's act whose check page and form have one address. `sent` is the form. */
export const actAt = (
  path: string,
  act: (
    request: ConsoleRequest,
    source: URLSearchParams,
    sent?: URLSearchParams,
  ) => Promise<Response>,
): Mounted => ({
  path,
  need: 'administer',
  page: (request) => act(request, queried(request)),
  form: (request, form) => act(request, form, form),
})

/** Whether they may change anything at all. */
export const mayAct = ({ viewer }: Pick<ConsoleRequest, 'viewer'>): boolean =>
  viewer.caller.may !== 'audit'
export const isAdministrator = ({ viewer }: Pick<ConsoleRequest, 'viewer'>): boolean =>
  viewer.caller.may === 'administer'
/** Undefined for operators: every tenant. */
export const tidOf = ({ viewer }: Pick<ConsoleRequest, 'viewer'>): string | undefined =>
  viewer.tenant?.tid

type Query = Readonly<Record<string, string | undefined>>

export function linkOf(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter((one): one is [string, string] => one[1] !== undefined)
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

type Viewing = Pick<ConsoleRequest, 'viewer'>

/** Operators have their console at /ops, and a tenant's administrator the same at /tenant. */
export const baseOf = ({ viewer }: Viewing): '/ops' | '/tenant' =>
  viewer.tenant === undefined ? '/ops' : '/tenant'
/** A page of the console that the viewer is at. */
export const pageLink = (request: Viewing, path: string, query?: Query): string =>
  linkOf(baseOf(request) + path, query)
export const userLink = (request: Viewing, sub: string, query?: Query): string =>
  pageLink(request, `/users/${encodeURIComponent(sub)}`, query)
export const sessionLink = (request: Viewing, sub: string, sid: string): string =>
  userLink(request, sub, { session: sid })
export const clientLink = (clientId: string): string =>
  `/ops/clients/${encodeURIComponent(clientId)}`
export const caseLink = (caseReference: string): string =>
  linkOf('/ops/revocations', { case: caseReference })

export const queried = ({ c }: Pick<ConsoleRequest, 'c'>): URLSearchParams =>
  new URL(c.req.url).searchParams

/** A filter of a list, without what the user typed around it. */
export const asked = ({ c }: Pick<ConsoleRequest, 'c'>, name: string): string | undefined =>
  c.req.query(name)?.trim().slice(0, 200) || undefined

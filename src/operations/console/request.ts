import type { Context } from 'hono'
import type { Session, Tenant } from '../../../db/types.ts'
import type { Caller, Right } from '../../audit/caller.ts'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import type { NavPath } from './texts/layout.ts'

/** A request of the console: the viewer, the query, and the addresses of pages. */

/** The user who is signed in to the console. */
export interface Viewer {
  session: Session
  caller: Caller
  /**
   * The tenant to which an administrator of a tenant is limited. Undefined for an operator, who
   * sees every tenant.
   */
  tenant?: Tenant
}

export interface ConsoleRequest {
  deps: Deps
  c: Context
  viewer: Viewer
  now: number
  /** Undefined for the administrator of a tenant, to whom the broker's state is not shown. */
  checks?: Checks | undefined
  /** How many things wait for an operator, by the page that lists them. */
  waiting?: Readonly<Record<string, number>>
}

/** A page and a form of the console, by their path after /ops and /tenant. */
export interface Mounted {
  path: string
  /** The right that the route demands. Default: `audit` for a page, `operate` for a form. */
  need?: Right
  /** The page to which the page of a rejected act leads back. Default: the overview. */
  at?: NavPath
  /** True if the route is also open to the administrator of a tenant. Default: operators only. */
  tenant?: true
  page?: (request: ConsoleRequest) => Response | Promise<Response>
  form?: (request: ConsoleRequest, form: URLSearchParams) => Promise<Response>
}

/** Returns a function that looks once a request, however many parts of a page ask for it. */
export function oncePerRequest<T>(look: (request: ConsoleRequest) => Promise<T>): typeof look {
  const found = new WeakMap<ConsoleRequest, Promise<T>>()
  return (request) => {
    const looked = found.get(request) ?? look(request)
    found.set(request, looked)
    return looked
  }
}

type Viewing = Pick<ConsoleRequest, 'viewer'>

/** Returns whether the viewer may change anything. Auditors may not. */
export const mayAct = ({ viewer }: Viewing): boolean => viewer.caller.may !== 'audit'
export const isAdministrator = ({ viewer }: Viewing): boolean => viewer.caller.may === 'administer'
/** Returns whether the viewer is of the operator tenant. Others see one tenant alone. */
export const isOperator = ({ viewer }: Viewing): boolean => viewer.tenant === undefined
/** Returns the tenant to which the viewer is limited. Undefined for operators, who see all. */
export const tidOf = ({ viewer }: Viewing): string | undefined => viewer.tenant?.tid

type Query = Readonly<Record<string, string | undefined>>

export function linkOf(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  )
  const text = new URLSearchParams(given).toString()
  return text === '' ? path : `${path}?${text}`
}

/**
 * Returns the path of the viewer's console: /ops for operators, /tenant for a tenant's
 * administrator.
 */
export const baseOf = (request: Viewing): '/ops' | '/tenant' =>
  isOperator(request) ? '/ops' : '/tenant'
/** Returns the address of a page of the viewer's console. */
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

/** Returns a parameter of the query without white space around it, or undefined if it is empty. */
export const queryParam = ({ c }: Pick<ConsoleRequest, 'c'>, name: string): string | undefined =>
  c.req.query(name)?.trim().slice(0, 200) || undefined

/**
 * Returns the address that asks for a fresh sign-in and then returns to a page of the console.
 * Default: this page. Both sign-ins admit no `+` in that page's address.
 */
export const signInAgain = (request: ConsoleRequest, path?: string): string => {
  const query = queried(request).toString().replaceAll('+', '%20')
  const here = query === '' ? request.c.req.path : `${request.c.req.path}?${query}`
  return linkOf(isOperator(request) ? '/ops/sign-in' : '/signin/start', {
    return_to: path ?? here,
    fresh: 'yes',
  })
}

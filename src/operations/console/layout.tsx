import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { Right } from '../../clients/caller.ts'
import type { Deps } from '../deps.ts'
import { readAsset, styleSheet } from '../../pages/assets.ts'
import { Button, HiddenFields, LinkButton, PageLinks } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page, type PageOptions } from '../../pages/layout.tsx'
import type { Operator } from './console-session.ts'
import { whoIs } from './format.ts'

/** What the console's pages share: the ways between them, who is at it, panels and tables. */

export const CONSOLE_SHEET = styleSheet(
  '/ops/assets/console.css',
  readAsset(import.meta.url, './console.css'),
)

/** One request of an operator's. */
export interface ConsoleRequest {
  deps: Deps
  c: Context
  operator: Operator
  now: number
}

/**
 * Pages and forms of the console, by their paths. `Request`: who asks, in this console or in that
 * of a tenant.
 */
export interface Mounted<Request> {
  path: string
  /** Left out: a page is open to auditors, a form to operators. */
  need?: Right
  page?: (request: Request) => Response | Promise<Response>
  form?: (request: Request, form: URLSearchParams) => Promise<Response>
}

/** Whether they may change anything at all. */
export const mayAct = ({ operator }: Pick<ConsoleRequest, 'operator'>): boolean =>
  operator.caller.may !== 'audit'
export const isAdministrator = ({ operator }: Pick<ConsoleRequest, 'operator'>): boolean =>
  operator.caller.may === 'administer'

const WAYS = [
  ['/ops', 'Overview'],
  ['/ops/sessions', 'Sessions'],
  ['/ops/revoke', 'Revoke'],
  ['/ops/locks', 'Locks'],
  ['/ops/revocations', 'Revocations'],
  ['/ops/deliveries', 'Deliveries'],
  ['/ops/clients', 'Instances'],
  ['/ops/webhooks', 'Webhooks'],
  ['/ops/keys', 'Keys'],
  ['/ops/audit', 'Audit'],
  ['/ops/queue', 'Queue'],
  ['/setup', 'Set-up'],
] as const
type Way = (typeof WAYS)[number][0]
const ADMINISTRATORS: readonly Way[] = ['/ops/revoke', '/setup']

/** What a form of the console is made for: this operator, on this browser. */
const purpose = ({ session }: Operator): string => `ops ${session.sid}`
const formToken = ({ deps, c, operator }: ConsoleRequest): string =>
  csrfToken(deps, c, purpose(operator))
export const formHolds = ({ deps, c, operator }: ConsoleRequest, form: URLSearchParams): boolean =>
  csrfHolds(deps, c, purpose(operator), form.get(CSRF_FIELD) ?? undefined, deps.config.opsOrigin)

/** Fields that a form carries unseen, with its proof of origin. */
export const Hidden = ({
  request,
  fields,
}: {
  request: ConsoleRequest
  fields?: Record<string, string>
}) => <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), ...fields }} />

export const NOT_OURS =
  'The request does not come from a page of the console in this browser. Nothing was changed. Open the page again.'

const ROLE_WORDS = {
  audit: 'auditor, read only',
  operate: 'operator',
  administer: 'administrator',
} as const

/** From anywhere in the console. */
const Find = ({ text }: { text: string | undefined }) => (
  <form class="find" role="search" method="get" action="/ops/search">
    <label class="unseen" for="find">
      Search users, instances, cases, revocations and sessions
    </label>
    <input
      id="find"
      type="search"
      name="q"
      value={text}
      maxlength={200}
      placeholder="User, instance, case, number, session"
      autocomplete="off"
    />
    <Button kind="quiet" small>
      Search
    </Button>
  </form>
)

/**
 * The links twice: in a row, and behind a button on a narrow screen, without a script. The style
 * sheet shows one of the two.
 */
function Nav({
  request,
  at,
  search,
}: {
  request: ConsoleRequest
  at: Way | undefined
  search: string | undefined
}) {
  const { session, caller } = request.operator
  const links = WAYS.filter(
    ([href]) => caller.may === 'administer' || !ADMINISTRATORS.includes(href),
  )
  return (
    <>
      <Find text={search} />
      <nav aria-label="Console">
        <div class="across">
          <PageLinks links={links} at={at} />
        </div>
        <details class="menu">
          <summary>Menu</summary>
          <PageLinks links={links} at={at} />
        </details>
      </nav>
      <form class="who" method="post" action="/ops/sign-out">
        <Hidden request={request} />
        <span>
          {session.user.name ?? whoIs(session)}
          <small>{ROLE_WORDS[caller.may]}</small>
        </span>
        <Button kind="quiet" small>
          Sign out
        </Button>
      </form>
    </>
  )
}

/** @param live the page has parts (`Live`) that follow what happens while it is open */
export function consolePage(
  request: ConsoleRequest,
  options: Pick<PageOptions, 'title' | 'status' | 'script'> & {
    at?: Way | undefined
    live?: boolean
    search?: string
  },
  children: Child,
): Response {
  const { deps, c } = request
  const paused = isPaused(c)
  const nav = <Nav request={request} at={options.at} search={options.search} />
  return page(
    c,
    {
      title: options.title,
      status: options.status,
      script: options.script,
      desk: { nav, sheet: CONSOLE_SHEET.href },
      config: deps.config,
      live: options.live === true && !paused ? { events: '/ops/live' } : undefined,
    },
    <>
      {options.live === true ? <LiveState c={c} paused={paused} /> : null}
      {children}
    </>,
  )
}

const isPaused = (c: Context): boolean => c.req.query('live') === 'off'

/** WCAG 2.2, 2.2.2: whatever renews itself can be stopped; and without scripts there is a link. */
function LiveState({ c, paused }: { c: Context; paused: boolean }) {
  const url = new URL(c.req.url)
  url.searchParams.delete('live')
  const here = url.pathname + url.search
  url.searchParams.set('live', 'off')
  return (
    <p class="live">
      <span
        id="live-state"
        role="status"
        data-connected="Live."
        data-skipped="Live, except the part that has the focus: it updates when you leave it."
        data-lost="Not live: the broker does not answer."
      >
        {paused ? 'Live updates are paused.' : 'As it was when this page was opened.'}
      </span>
      <a href={here}>{paused ? 'Resume live updates' : 'Refresh'}</a>
      {paused ? null : <a href={url.pathname + url.search}>Pause live updates</a>}
    </p>
  )
}

/**
 * A part of the page that the script renews, unless the reader is in it. `announced`: a screen
 * reader announces what changed in it.
 */
export const Live = ({
  id,
  children,
  announced,
}: {
  id: string
  children: Child
  announced?: boolean
}) => (
  <div
    id={id}
    class={announced ? 'unseen' : 'stack'}
    data-live
    role={announced ? 'status' : undefined}
  >
    {children}
  </div>
)

export const Panel = ({
  title,
  children,
  class: more,
}: {
  title?: Child
  children: Child
  class?: string
}) => (
  <section class={more === undefined ? 'panel' : `panel ${more}`}>
    {title === undefined ? null : <h2>{title}</h2>}
    {children}
  </section>
)

type Column = string | { name: string; end: true }
const columnName = (column: Column): string => (typeof column === 'string' ? column : column.name)
const columnClass = (column: Column): string | undefined =>
  typeof column === 'string' ? undefined : 'end'

/**
 * A table; on a narrow screen each row becomes a list with the columns' names beside it. Roles are
 * said, because styles take them away.
 */
export const Table = ({
  label,
  head,
  rows,
  none,
}: {
  label: string
  head: readonly Column[]
  rows: readonly (readonly Child[])[]
  none: Child
}) =>
  rows.length === 0 ? (
    <p class="soft">{none}</p>
  ) : (
    <table role="table" aria-label={label}>
      <thead role="rowgroup">
        <tr role="row">
          {head.map((column) => (
            <th role="columnheader" scope="col" class={columnClass(column)}>
              {columnName(column)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr role="row">
            {row.map((cell, index) => (
              <td
                role="cell"
                class={columnClass(head[index] ?? '')}
                data-label={columnName(head[index] ?? '')}
              >
                {cell === '' || cell === undefined ? null : <div>{cell}</div>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )

export const Figures = ({
  items,
}: {
  items: readonly { name: string; value: Child; look?: 'bad' | 'warn' | 'small' | undefined }[]
}) => (
  <dl class="figures">
    {items.map(({ name, value, look }) => (
      <div class="figure">
        <dt>{name}</dt>
        <dd class={look}>{value}</dd>
      </div>
    ))}
  </dl>
)

/**
 * There is nothing of that name, or it may not be done: said, with the way back.
 * @param href where it leads, if not to the page `back`
 */
export const nothingHere = (
  request: ConsoleRequest,
  what: string,
  back: Way,
  status: 400 | 403 | 404 | 422 = 404,
  href: string = back,
): Response =>
  consolePage(
    request,
    { title: status === 404 ? 'Nothing here' : 'That was not done', at: back, status },
    <Panel class="narrow">
      <p>{what}</p>
      <div class="row">
        <LinkButton href={href} kind="quiet">
          Back
        </LinkButton>
      </div>
    </Panel>,
  )

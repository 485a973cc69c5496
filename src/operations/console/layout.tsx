import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import { readAsset, styleSheet } from '../../pages/assets.ts'
import { Button, HiddenFields, LinkButton, Notice, PageLinks } from '../../pages/components.tsx'
import { CSRF_FIELD, csrfHolds, csrfToken } from '../../pages/csrf.ts'
import { page, type PageOptions } from '../../pages/layout.tsx'
import { version } from '../../runtime/version.ts'
import { whoIs } from './format.ts'
import {
  queryParam,
  baseOf,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  pageLink,
} from './request.ts'
import { FIND, GROUPS, LIMITS, LIVE, OVERVIEW, ROLE_WORDS, type NavPath } from './texts/layout.ts'

/** Parts that the console's pages share: navigation, the viewer, panels and tables. */

/** Returns the console's style sheet under a path of its own for each of the two consoles. */
const sheetAt = (base: string) =>
  styleSheet(`${base}/assets/console.css`, readAsset(import.meta.url, './console.css'))
export const CONSOLE_SHEET = { '/ops': sheetAt('/ops'), '/tenant': sheetAt('/tenant') }

const ADMINISTRATORS: readonly NavPath[] = ['/setup']
const TENANTS: readonly NavPath[] = [
  '',
  '/users',
  '/sign-ins',
  '/sessions',
  '/locks',
  '/revocations',
  '/audit',
]

const wayLink = (request: ConsoleRequest, way: NavPath): string =>
  way === '/setup' ? way : pageLink(request, way)
const mayGo = (request: ConsoleRequest, way: NavPath): boolean =>
  isOperator(request)
    ? isAdministrator(request) || !ADMINISTRATORS.includes(way)
    : TENANTS.includes(way)

/**
 * Returns the purpose of a form's CSRF token: the console and the viewer's session in this browser.
 */
const purpose = (request: ConsoleRequest): string =>
  `${baseOf(request)} ${request.viewer.session.sid}`
export const formHolds = (request: ConsoleRequest, form: URLSearchParams): boolean => {
  const { deps, c } = request
  const own = isOperator(request) ? deps.config.opsOrigin : deps.config.issuer
  return csrfHolds(deps, c, purpose(request), form.get(CSRF_FIELD) ?? undefined, own)
}

/** The hidden fields of a form, with its CSRF token. */
export const Hidden = ({
  request,
  fields,
}: {
  request: ConsoleRequest
  fields?: Record<string, string | undefined>
}) => (
  <HiddenFields
    fields={{ [CSRF_FIELD]: csrfToken(request.deps, request.c, purpose(request)), ...fields }}
  />
)

/** The pages on which a role does not see the acts that it may not do. */
const ACTING: readonly (NavPath | undefined)[] = [
  '/users',
  '/sessions',
  '/locks',
  '/deliveries',
  '/clients',
  '/tenants',
]

/** The search box, on every page of the console. */
function Find({ request, text }: { request: ConsoleRequest; text: string | undefined }) {
  const { label, placeholder } = FIND[isOperator(request) ? 'all' : 'tenant']
  return (
    <form class="find" role="search" method="get" action={pageLink(request, '/search')}>
      <label class="unseen" for="find">
        {label}
      </label>
      <input
        id="find"
        type="search"
        name="q"
        value={text}
        maxlength={200}
        placeholder={placeholder}
        autocomplete="off"
      />
      <Button kind="quiet" small>
        Search
      </Button>
    </form>
  )
}

/**
 * The navigation, rendered twice: as a row, and behind a button for narrow screens. The style sheet
 * shows one of the two, so that no script is needed.
 */
function Nav({
  request,
  at,
  search,
}: {
  request: ConsoleRequest
  at: NavPath | undefined
  search: string | undefined
}) {
  const ways = <Ways request={request} at={at} />
  return (
    <>
      <Find request={request} text={search} />
      <nav aria-label="Console">
        <div class="across">{ways}</div>
        <details class="menu">
          <summary>Menu</summary>
          {ways}
        </details>
      </nav>
      {isOperator(request) ? <Place config={request.deps.config} /> : null}
      <Who request={request} />
    </>
  )
}

/** The links in their groups, each with the number of what waits there. */
function Ways({ request, at }: { request: ConsoleRequest; at: NavPath | undefined }) {
  const { waiting = {} } = request
  const links = (ways: readonly (readonly [NavPath, string])[]) =>
    ways
      .filter(([way]) => mayGo(request, way))
      .map(([way, name]) => {
        const count = waiting[way] ?? 0
        return [wayLink(request, way), count === 0 ? name : `${name} (${count})`] as const
      })
  const here = at === undefined ? undefined : wayLink(request, at)
  const groups = Object.entries(GROUPS).map(([name, ways]) => [name, links(ways)] as const)
  return (
    <div class="groups">
      <PageLinks links={links([OVERVIEW])} at={here} />
      {groups.map(([name, pages]) =>
        pages.length === 0 ? null : (
          <div role="group" aria-label={name}>
            <span aria-hidden="true">{name}</span>
            <PageLinks links={pages} at={here} />
          </div>
        ),
      )}
    </div>
  )
}

/** Says which broker this is, so that operators do not take one for another. */
const Place = ({ config: { environment, issuer } }: Pick<ConsoleRequest['deps'], 'config'>) => (
  <p class="place">
    {environment === undefined ? null : <span class="tag wait">{environment}</span>}{' '}
    {new URL(issuer).host} <small>{version()}</small>
  </p>
)

/** The viewer's name and role. A tenant's administrator signs out on the account page. */
function Who({ request }: { request: ConsoleRequest }) {
  const { session, caller, tenant } = request.viewer
  const who = (
    <span>
      {session.user.name ?? whoIs(session)}
      <small>
        {tenant === undefined
          ? ROLE_WORDS[caller.may]
          : `administrator of ${tenant.name ?? 'your organization'}`}
      </small>
    </span>
  )
  return tenant === undefined ? (
    <form class="who" method="post" action="/ops/sign-out">
      <Hidden request={request} />
      {who}
      <Button kind="quiet" small>
        Sign out
      </Button>
    </form>
  ) : (
    <div class="who">
      {who}
      <LinkButton href="/account" kind="quiet" small>
        Your account
      </LinkButton>
    </div>
  )
}

/**
 * Renders a page of the console.
 * @param options `live`: parts of the page (`Live`) update while an operator has it open
 */
export function consolePage(
  request: ConsoleRequest,
  {
    at,
    live: updates,
    search,
    ...shown
  }: Pick<PageOptions, 'title' | 'status' | 'script' | 'focused' | 'waiting'> & {
    at?: NavPath | undefined
    live?: boolean
    search?: string
  },
  children: Child,
): Response {
  const { deps, c } = request
  const live = updates === true && isOperator(request)
  const paused = isPaused(c)
  const limits = LIMITS[request.viewer.caller.may]
  const nav = <Nav request={request} at={at} search={search} />
  return page(
    c,
    {
      ...shown,
      console: {
        nav,
        sheet: CONSOLE_SHEET[baseOf(request)].href,
        place: deps.config.environment ?? new URL(deps.config.issuer).host,
      },
      config: deps.config,
      live: live && !paused ? { events: '/ops/live' } : undefined,
    },
    <>
      {live ? <LiveState c={c} paused={paused} /> : null}
      {limits === undefined || !ACTING.includes(at) ? null : <p class="small soft">{limits}</p>}
      {children}
    </>,
  )
}

const isPaused = (c: Context): boolean => c.req.query('live') === 'off'

/**
 * Says whether the page updates itself. WCAG 2.2, 2.2.2: the reader can pause updates. Without
 * scripts a link refreshes the page.
 */
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
        data-connected={LIVE.connected}
        data-skipped={LIVE.skipped}
        data-lost={LIVE.lost}
      >
        {paused ? LIVE.paused : LIVE.still}
      </span>
      <a href={here}>{paused ? LIVE.resume : LIVE.refresh}</a>
      {paused ? null : <a href={url.pathname + url.search}>{LIVE.pause}</a>}
    </p>
  )
}

/**
 * A part of the page that the script updates, unless it has the focus. `announced`: it is hidden,
 * and a screen reader announces its changes.
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

/** Shows links to what else there is about the object of a page. */
export const More = ({ links }: { links: readonly (readonly [href: string, words: Child])[] }) => (
  <Panel title="More">
    <ul class="bullets">
      {links.map(([href, words]) => (
        <li>
          <a href={href}>{words}</a>
        </li>
      ))}
    </ul>
  </Panel>
)

/** The words of an act's results by their key in the query; those of a number, by the number. */
export type Results = Readonly<Record<string, string | ((number: number) => string)>>

/** Shows the result of the act that redirected here, if the query names one. */
export function Done({ request, results }: { request: ConsoleRequest; results: Results }) {
  const key = queryParam(request, 'done') ?? ''
  if (!Object.hasOwn(results, key)) return null
  const words = results[key]
  const number = Number(/^\d{1,9}$/.exec(queryParam(request, 'number') ?? '')?.[0] ?? 0)
  return <Notice kind="good" title={typeof words === 'function' ? words(number) : words} />
}

export type Column = string | { name: string; end: true }
export const columnName = (column: Column): string =>
  typeof column === 'string' ? column : column.name
const columnClass = (column: Column): string | undefined =>
  typeof column === 'string' ? undefined : 'end'

/**
 * A table. On a narrow screen each row becomes a list with the columns' names beside its cells. The
 * ARIA roles are explicit, because the styles for that remove the implicit ones.
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

/** Links to the page of a revocation, which only operators may open. */
export const revocationLink = (seq: number, words: Child = seq): Child => (
  <a href={`/ops/revocations/${seq}`}>{words}</a>
)

/**
 * Renders a page that says that something does not exist or was not done, with a link back.
 * @param href the target of the link, if it is not the page `back`
 */
export const nothingHere = (
  request: ConsoleRequest,
  what: string,
  back: NavPath,
  status: 400 | 403 | 404 | 422 = 404,
  href: string = wayLink(request, back),
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

import type { Child } from 'hono/jsx'
import { tenantName } from '../acts/names.ts'
import { hitCount, type Hits, LONGEST_SEARCH, searched } from '../acts/search.ts'
import { consolePage, Panel, Table } from './layout.tsx'
import { covered, plural, REASON, when, whoIs } from './format.ts'
import { SessionState } from './sessions.tsx'
import {
  caseLink,
  clientLink,
  type ConsoleRequest,
  linkOf,
  type Mounted,
  sessionLink,
  tidOf,
  userLink,
} from './request.ts'

/** The results of the search box in the header, by kind. A single hit redirects to its page. */

async function searchPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c, now } = request
  const text = (c.req.query('q') ?? '').trim().slice(0, LONGEST_SEARCH)
  const hits = await searched(deps, text, now, tidOf(request))
  const only = hitCount(hits) === 1 && !hits.moreUsers ? addressOf(request, hits) : undefined
  if (only !== undefined) return c.redirect(only, 303)
  return consolePage(
    request,
    { title: text === '' ? 'Search' : `Search: ${text}`, search: text },
    <>
      <p role="status">{text === '' ? 'Enter a search in the box above.' : foundWords(hits)}</p>
      {text === '' || hitCount(hits) === 0 ? (
        <Hints isOperator={tidOf(request) === undefined} />
      ) : null}
      {(await groupsOf(request, hits)).map(({ title, head, rows }) =>
        rows.length === 0 ? null : (
          <Panel title={title}>
            <Table label={title} head={head} rows={rows} none="" />
          </Panel>
        ),
      )}
    </>,
  )
}

/** Returns the address of the first hit. */
const addressOf = (
  request: ConsoleRequest,
  { users, clients, sessions, revocations, cases }: Hits,
): string | undefined =>
  [
    ...users.map(({ sub }) => userLink(request, sub)),
    ...clients.map(({ clientId }) => clientLink(clientId)),
    ...sessions.map(({ session }) => sessionLink(request, session.sub, session.sid)),
    ...revocations.map(({ seq }) => `/ops/revocations/${seq}`),
    ...cases.map((one) =>
      one.revocations > 0
        ? caseLink(one.caseReference)
        : linkOf('/ops/audit', { case: one.caseReference }),
    ),
  ][0]

const foundWords = (hits: Hits): string =>
  hitCount(hits) === 0
    ? 'No entry matches.'
    : `${plural(hitCount(hits), 'hit')}.${hits.moreUsers ? ' More users may match: add a word.' : ''}`

const Hints = ({ isOperator }: { isOperator: boolean }) => (
  <Panel title="What can be found">
    <ul class="bullets">
      <li>
        A user: the beginnings of words of their name, username or address, in any order. Or their
        whole sub or object id.
      </li>
      <li>A session, live or ended: its whole id, which begins with s_.</li>
      {isOperator ? (
        <>
          <li>An instance: a part of its name or its id.</li>
          <li>A revocation: its number. A case: its whole reference.</li>
        </>
      ) : null}
    </ul>
  </Panel>
)

interface Group {
  title: string
  head: string[]
  rows: Child[][]
}

async function groupsOf(request: ConsoleRequest, hits: Hits): Promise<Group[]> {
  const { deps } = request
  const nowMs = deps.clock.nowMs()
  const revocations = hits.revocations.map(async ({ seq, selector, reason, at }) => [
    <a href={`/ops/revocations/${seq}`}>{seq}</a>,
    await covered(deps, selector),
    REASON[reason],
    when(at * 1000, nowMs),
  ])
  return [
    await usersOf(request, hits),
    {
      title: 'Instances',
      head: ['Instance', 'ID'],
      rows: hits.clients.map(({ clientId, metadata }) => [
        <a href={clientLink(clientId)}>{metadata.name}</a>,
        <code>{clientId}</code>,
      ]),
    },
    sessionsOf(request, hits),
    {
      title: 'Revocations',
      head: ['Number', 'What', 'Why', 'When'],
      rows: await Promise.all(revocations),
    },
    casesOf(hits),
  ]
}

const usersOf = async (request: ConsoleRequest, { users }: Hits): Promise<Group> => ({
  title: 'Users',
  head: ['User', 'Tenant', 'Object ID'],
  rows: await Promise.all(
    users.map(async (user) => [
      <a href={userLink(request, user.sub)}>{whoIs({ user })}</a>,
      await tenantName(request.deps, user.tid),
      <span class="small">{user.oid}</span>,
    ]),
  ),
})

const sessionsOf = (request: ConsoleRequest, { sessions }: Hits): Group => ({
  title: 'Sessions',
  head: ['Session', 'State', 'User', 'Device', 'Signed in'],
  rows: sessions.map(({ session, state }) => [
    <a href={sessionLink(request, session.sub, session.sid)}>{session.sid}</a>,
    <SessionState state={state} />,
    whoIs(session),
    session.device,
    when(session.openedAt * 1000, request.deps.clock.nowMs()),
  ]),
})

const casesOf = ({ cases }: Hits): Group => ({
  title: 'Cases',
  head: ['Case', 'Revocations', 'Locks', 'Audit log'],
  rows: cases.map((one) => [
    <a href={caseLink(one.caseReference)}>{one.caseReference}</a>,
    one.revocations,
    one.locks,
    <a
      href={linkOf('/ops/audit', { case: one.caseReference })}
      aria-label={`Audit log of ${one.caseReference}`}
    >
      Entries
    </a>,
  ]),
})

export const searchRoutes: readonly Mounted[] = [
  { path: '/search', tenant: true, page: searchPage },
]

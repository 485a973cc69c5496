import type { Child } from 'hono/jsx'
import { hitCount, type Hits, LONGEST_SEARCH, searched } from '../acts/search.ts'
import { consolePage, Panel } from './layout.tsx'
import { whoIs } from './format.ts'
import { type Columns, listOf, ms, timeColumn } from './list.tsx'
import { revocationColumns } from './revocations.tsx'
import { SessionState } from './sessions.tsx'
import { rejectedColumns } from './sign-ins.tsx'
import { userColumns } from './users.tsx'
import {
  caseLink,
  clientLink,
  type ConsoleRequest,
  isOperator,
  linkOf,
  type Mounted,
  pageLink,
  sessionLink,
  tidOf,
  userLink,
} from './request.ts'
import { foundWords, HINTS, SEARCH } from './texts/search.ts'

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
      <p role="status">
        {text === '' ? SEARCH.enter : foundWords(text, hitCount(hits), hits.moreUsers)}
      </p>
      {text === '' || hitCount(hits) === 0 ? <Hints request={request} /> : null}
      {(await groupsOf(request, hits)).map(([title, list]) => (
        <Panel title={title}>{list}</Panel>
      ))}
    </>,
  )
}

/** Returns the address of the first hit. */
const addressOf = (
  request: ConsoleRequest,
  { users, clients, sessions, revocations, signIns, cases }: Hits,
): string | undefined =>
  [
    ...users.map(({ sub }) => userLink(request, sub)),
    ...clients.map(({ clientId }) => clientLink(clientId)),
    ...sessions.map(({ session }) => sessionLink(request, session.sub, session.sid)),
    ...revocations.map(({ seq }) => `/ops/revocations/${seq}`),
    ...signIns.map(({ reference }) => pageLink(request, '/sign-ins', { reference })),
    ...cases.map((found) =>
      found.revocations > 0
        ? caseLink(found.caseReference)
        : linkOf('/ops/audit', { case: found.caseReference }),
    ),
  ][0]

const Hints = ({ request }: { request: ConsoleRequest }) => (
  <Panel title={SEARCH.title}>
    <ul class="bullets">
      {(isOperator(request) ? [...HINTS.tenant, ...HINTS.operators] : HINTS.tenant).map((words) => (
        <li>{words}</li>
      ))}
    </ul>
  </Panel>
)

/** Returns the groups of hits, as titles and lists. */
async function groupsOf(request: ConsoleRequest, hits: Hits): Promise<[string, Child][]> {
  const group = async <T,>(
    label: string,
    entries: readonly T[],
    columns: Columns<T>,
  ): Promise<[string, Child][]> =>
    entries.length === 0
      ? []
      : [[label, await listOf<T>(request, { label, entries, columns, none: '' })]]
  const groups = [
    group('Users', hits.users, userColumns(request)),
    group('Instances', hits.clients, [
      ['Instance', ({ clientId, metadata }) => <a href={clientLink(clientId)}>{metadata.name}</a>],
      ['ID', ({ clientId }) => <code>{clientId}</code>],
    ]),
    group('Sessions', hits.sessions, [
      [
        'Session',
        ({ session: { sub, sid } }) => <a href={sessionLink(request, sub, sid)}>{sid}</a>,
      ],
      ['State', ({ state }) => <SessionState state={state} />],
      ['User', ({ session }) => whoIs(session)],
      ['Device', ({ session }) => session.device],
      timeColumn(request, 'Signed in', ({ session }) => ms(session.openedAt)),
    ]),
    group('Revocations', hits.revocations, revocationColumns(request)),
    group('Rejected sign-ins', hits.signIns, rejectedColumns(request)),
    group('Cases', hits.cases, [
      ['Case', (found) => <a href={caseLink(found.caseReference)}>{found.caseReference}</a>],
      ['Revocations', ({ revocations }) => revocations],
      ['Locks', ({ locks }) => locks],
      [
        'Audit log',
        ({ caseReference }) => (
          <a
            href={linkOf('/ops/audit', { case: caseReference })}
            aria-label={`Audit log of ${caseReference}`}
          >
            Entries
          </a>
        ),
      ],
    ]),
  ]
  return (await Promise.all(groups)).flat()
}

export const searchRoutes: readonly Mounted[] = [
  { path: '/search', tenant: true, page: searchPage },
]

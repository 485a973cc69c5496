import type { Child } from 'hono/jsx'
import type { LoggedRevocation, Subject } from '../../../../db/types.ts'
import { MOST_ENTRIES } from '../../acts/search.ts'
import { exportIn, userOf } from '../../acts/tenant.ts'
import { totalOf } from '../../acts/totals.ts'
import { Button, LinkButton } from '../../../pages/components.tsx'
import { SelectField } from '../../../pages/fields.tsx'
import { type Reason, REASONS } from '../../../protocol/revocation.ts'
import { Panel, Table, type Mounted } from '../layout.tsx'
import { count, covered, isReason, REASON, when, whoIs } from '../format.ts'
import { pageOfSearch, Pages } from '../pages.tsx'
import { nothingOfTenant, tenantPage, type TenantRequest } from './layout.tsx'
import {
  asked,
  byWords,
  csvResponse,
  everyPage,
  isoTime,
  numberedPlace,
  sealedNumber,
  USERS,
} from './lists.tsx'
import { NO_USER } from './users.tsx'

/**
 * What was revoked in one tenant, newest first, as a list and as CSV. Without its number in the
 * log, which counts the revocations of every tenant, and without the words of operators.
 */

const PAGE = 50
const END = (name: string) => ({ name, end: true }) as const
const HEAD = ['When', 'What', 'Why', 'By', END('Sessions'), END('Delivered'), 'Case']

async function revocationsPage(request: TenantRequest): Promise<Response> {
  const { deps, administrator } = request
  const { actor } = administrator
  const [sub, given] = [asked(request, 'user'), asked(request, 'reason')]
  const user = sub === undefined ? undefined : await userOf(deps, actor, sub)
  if (sub !== undefined && user === undefined)
    return nothingOfTenant(request, NO_USER, '/tenant/revocations')
  const reason = given !== undefined && isReason(given) ? given : undefined
  const { place, before } = numberedPlace(request)
  const bounds = { before, limit: PAGE + 1, most: MOST_ENTRIES }
  const found = await deps.store.pageOfRevocations({
    tid: actor.tid,
    sub: user?.sub,
    reason,
    ...bounds,
  })
  const { shown, next, searchedTo } = pageOfSearch(found, PAGE, (last) =>
    sealedNumber(request, last.seq),
  )
  return tenantPage(
    request,
    {
      title: user === undefined ? 'Revocations' : `Revocations of ${whoIs({ user })}`,
      at: '/tenant/revocations',
    },
    <>
      <Filter user={user} reason={reason} />
      <Panel>
        <Table
          label="Revocations"
          head={HEAD}
          rows={await Promise.all(shown.map((one) => row(request, one)))}
          none={searchedTo === undefined ? 'No revocation matches.' : 'No match so far.'}
        />
        <Pages
          request={request}
          of="revocations"
          place={place}
          next={next}
          searchedTo={searchedTo && when(searchedTo.at * 1000, deps.clock.nowMs())}
        />
      </Panel>
    </>,
  )
}

const Filter = ({ user, reason }: { user: Subject | undefined; reason: Reason | undefined }) => (
  <Panel>
    <form class="search" method="get" action="/tenant/revocations">
      {user === undefined ? null : <input type="hidden" name="user" value={user.sub} />}
      <SelectField
        name="reason"
        label="Why"
        options={[['', 'Any reason'], ...REASONS.map((one) => [one, REASON[one]] as const)]}
        chosen={reason}
      />
      <div class="row">
        <Button>Show</Button>
        <LinkButton kind="quiet" href="/tenant/revocations">
          Show all
        </LinkButton>
      </div>
    </form>
    <p>
      To find a user, <a href={USERS}>search for them</a>.{' '}
      <a href="/tenant/revocations.csv" download="revocations.csv">
        Download all as CSV
      </a>
    </p>
  </Panel>
)

async function row(request: TenantRequest, one: LoggedRevocation): Promise<Child[]> {
  const { deps } = request
  const { by, isOwn } = await byWords(request, one.actor)
  const total = totalOf(one.totals)
  return [
    when(one.at * 1000, deps.clock.nowMs()),
    await covered(deps, one.selector),
    REASON[one.reason],
    by,
    one.fanOut === 'pending' ? <span class="tag wait">not counted yet</span> : count(one.sessions),
    total === 0 ? (
      <span class="zero">none</span>
    ) : (
      `${count(one.totals.delivered)} of ${count(total)}`
    ),
    isOwn ? (one.caseReference ?? '') : '',
  ]
}

async function csvRow(request: TenantRequest, one: LoggedRevocation) {
  const { by, isOwn } = await byWords(request, one.actor)
  const words = isOwn ? [one.caseReference, one.comment] : [undefined, undefined]
  const sessions = one.fanOut === 'pending' ? undefined : one.sessions
  return [
    isoTime(one.at),
    await covered(request.deps, one.selector),
    one.reason,
    by,
    sessions,
    one.totals.delivered,
    totalOf(one.totals),
    ...words,
  ]
}

async function revocationsCsv(request: TenantRequest): Promise<Response> {
  const { deps, administrator, now } = request
  const { actor } = administrator
  await exportIn(deps, actor, 'revocations', now)
  const all = everyPage<LoggedRevocation, { seq: number; at: number }>(
    PAGE,
    ({ before, ...bounds }) =>
      deps.store.pageOfRevocations({ tid: actor.tid, before: before?.seq, ...bounds }),
    ({ seq, at }) => ({ seq, at }),
  )
  async function* pages() {
    for await (const found of all) yield await Promise.all(found.map((one) => csvRow(request, one)))
  }
  return csvResponse(
    'revocations',
    [
      'at',
      'what',
      'reason',
      'by',
      'sessions',
      'delivered',
      'deliveries',
      'case_reference',
      'comment',
    ],
    pages(),
  )
}

export const revocationRoutes: readonly Mounted<TenantRequest>[] = [
  { path: '/tenant/revocations', page: revocationsPage },
  { path: '/tenant/revocations.csv', page: revocationsCsv },
]

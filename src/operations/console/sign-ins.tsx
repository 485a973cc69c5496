import type { Child } from 'hono/jsx'
import type { RejectedSignIn } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import {
  ENTRA_SIGN_IN_LOG,
  rejectedPage,
  rejectionWords,
  signInCounts,
  type SignInFilter,
  signInFilter,
} from '../acts/sign-ins.ts'
import { tenantName } from '../acts/names.ts'
import { aboutReference } from '../acts/texts/search.ts'
import { instances, nameOf, plural, whoIs } from './format.ts'
import { Panel } from './layout.tsx'
import { type Columns, listRoutes, momentOf, ms, orProblem, PERIOD, timeColumn } from './list.tsx'
import { numberIn, numberText } from './pages.tsx'
import {
  queryParam,
  type ConsoleRequest,
  isOperator,
  type Mounted,
  oncePerRequest,
  pageLink,
  tidOf,
  userLink,
} from './request.ts'
import { TENANT_TO_DO } from './texts/reasons.ts'
import { SIGN_INS } from './texts/sign-ins.ts'
import { timeAt } from './time.tsx'

/** Who could not sign in, what they read, and what to do; and how many sign-ins were accepted. */

/**
 * Reads the filter of the query, once a request: it may search for a user.
 * @throws Problem if it names several users, or no time
 */
const filterOf = oncePerRequest(async (request) =>
  signInFilter(
    request.deps,
    {
      reference: queryParam(request, 'reference'),
      user: queryParam(request, 'user'),
      tid: tidOf(request) ?? queryParam(request, 'tenant'),
      clientId: queryParam(request, 'client'),
      reason: queryParam(request, 'reason'),
      since: momentOf(request, 'since'),
      until: momentOf(request, 'until'),
    },
    request.now,
  ),
)

const userCell = (request: ConsoleRequest, { user }: RejectedSignIn): Child => {
  if (user === undefined) return <span class="soft">{SIGN_INS.notIdentified}</span>
  const name = whoIs({ user })
  return user.sub === undefined ? name : <a href={userLink(request, user.sub)}>{name}</a>
}

/** Returns what the administrator of a tenant can do about rejected sign-ins of a reason. */
export const tenantToDo = (reason: string): string | undefined =>
  (TENANT_TO_DO as Readonly<Record<string, string>>)[reason]

/** The columns of rejected sign-ins. @param saysToDo whether each row says what to do */
export function rejectedColumns(request: ConsoleRequest, saysToDo = true): Columns<RejectedSignIn> {
  const { deps } = request
  const isByReference = queryParam(request, 'reference') !== undefined
  return [
    timeColumn(request, 'When', ({ at }) => ms(at)),
    ['User', (row) => userCell(request, row)],
    isOperator(request) && [
      'Tenant',
      ({ user }) => (user === undefined ? '' : tenantName(deps, user.tid)),
    ],
    ['Instance', ({ clientId }) => (clientId === undefined ? '' : nameOf(deps, clientId))],
    [
      SIGN_INS.read,
      (row) => {
        const { title, read } = rejectionWords(deps, row)
        return (
          <>
            {title}
            {row.code === undefined ? null : <span class="small"> AADSTS{row.code}</span>}
            {isByReference ? <div class="small">{read}</div> : null}
          </>
        )
      },
      (row) => rejectionWords(deps, row).title,
    ],
    ['Reason', undefined, ({ reason }) => reason],
    saysToDo && [
      SIGN_INS.toDo,
      (row) => (
        <span class="small">
          {isOperator(request) ? rejectionWords(deps, row).fix : tenantToDo(row.reason)}
        </span>
      ),
    ],
    [
      'Reference',
      ({ reference }) => (
        <a href={pageLink(request, '/sign-ins', { reference })}>
          <code>{reference}</code>
        </a>
      ),
      ({ reference }) => reference,
    ],
  ]
}

/** Says where the sign-ins are that never came back to the broker. */
export const AtMicrosoft = () => (
  <p class="soft small">
    {SIGN_INS.atMicrosoft} <a href={ENTRA_SIGN_IN_LOG}>{SIGN_INS.theirLog}</a>
  </p>
)

/** Says how many sign-ins of a filter were accepted and rejected, and why. */
export async function signInCountsPanel(
  request: ConsoleRequest,
  filter: SignInFilter,
): Promise<Child> {
  const { deps, now } = request
  const { accepted, byClient, rejected, byReason } = await signInCounts(deps, filter, now)
  const tenant = isOperator(request) ? filter.tid : undefined
  return (
    <Panel
      title={
        <>
          {SIGN_INS.since(filter.oid !== undefined)} {timeAt(request, filter.since)}
        </>
      }
    >
      <ul class="bullets">
        <li>
          {SIGN_INS.accepted(accepted)}
          <Parts
            parts={byClient.map((row) => [
              row.clientId === undefined ? SIGN_INS.own : nameOf(deps, row.clientId),
              row.count,
            ])}
          />
        </li>
        <li>
          {SIGN_INS.rejected(rejected)}
          <Parts
            parts={byReason.map((row) => [
              <a href={pageLink(request, '/sign-ins', { reason: row.reason, tenant })}>
                {rejectionWords(deps, row).title}
              </a>,
              row.count,
            ])}
          />
        </li>
      </ul>
      <AtMicrosoft />
    </Panel>
  )
}

/** Lists the parts of a count. */
const Parts = ({ parts }: { parts: readonly (readonly [name: Child, count: number])[] }) =>
  parts.length === 0 ? null : (
    <ul class="bullets">
      {parts.map(([name, count]) => (
        <li>
          {name}: {plural(count, 'sign-in')}
        </li>
      ))}
    </ul>
  )

export const signInsRoutes: readonly Mounted[] = listRoutes<
  RejectedSignIn,
  number,
  Pick<RejectedSignIn, 'id' | 'at'>
>({
  name: 'sign-ins',
  title: 'Sign-ins',
  label: SIGN_INS.list,
  tenant: true,
  live: true,
  fields: async (request) => [
    ['user', 'User', isOperator(request) ? 'Name, username or sub' : 'Name or username'],
    ['reference', 'Reference', 'BCDF-GHJK'],
    isOperator(request) && [
      'tenant',
      'Tenant',
      [
        ['', 'Any'],
        ...(await request.deps.store.listTenants()).map(
          ({ tid, name = tid }) => [tid, name] as const,
        ),
      ],
    ],
    isOperator(request) && ['client', 'Instance', [['', 'Any'], ...instances(request)]],
    ['reason', 'Reason', 'mfa_not_proved'],
    ...PERIOD,
  ],
  columns: rejectedColumns,
  none: SIGN_INS.none,
  // The list says the problem of a filter.
  above: async (request) => {
    const filter = await orProblem(filterOf(request))
    if (filter instanceof Problem) return null
    if (filter.found?.length !== 0) return signInCountsPanel(request, filter)
    const words = aboutReference(queryParam(request, 'reference') ?? '')
    return words === '' ? null : <p>{words}</p>
  },
  heading: () => SIGN_INS.list,
  async read(request) {
    const filter = await filterOf(request)
    return ({ from: before, ...bounds }) =>
      rejectedPage(request.deps, filter, { before, ...bounds })
  },
  placeIn: numberIn,
  cursorOf: (request, { id }) => numberText(request, id),
  stopped: (request, { at }) => timeAt(request, at),
})

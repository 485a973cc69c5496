import type { Child } from 'hono/jsx'
import { withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { Guard } from './instance-cells.tsx'
import { type Columns, listOf, timeColumn } from './list.tsx'
import { type ConsoleRequest, linkOf } from './request.ts'

/** The most guards on an instance's page. The page of all guards has the others, and their CSV. */
const FEW = 50

export const guardColumns = (request: ConsoleRequest): Columns<GuardState> => [
  ['Guard', (one) => <Guard guard={one} />, ({ guardId }) => guardId],
  [
    'State',
    undefined,
    ({ connected, silent }) => (silent ? 'not heard' : connected ? 'connected' : 'away'),
  ],
  ['Behind', undefined, ({ behind }) => behind],
  timeColumn(request, 'Last heard', ({ reportedAtMs }) => reportedAtMs),
  ['Version', ({ version }) => version ?? 'not reported'],
  ['Without a lease', ({ withoutLease }) => withoutLeaseWords(withoutLease)],
]

export const guardList = async (
  request: ConsoleRequest,
  guards: readonly GuardState[],
  client: string,
): Promise<Child> => (
  <>
    {await listOf<GuardState>(request, {
      label: 'Guards',
      columns: guardColumns(request),
      entries: guards.toSorted((a, b) => (a.guardId < b.guardId ? -1 : 1)).slice(0, FEW),
      none: 'No guard has reported yet.',
    })}
    {guards.length === 0 ? null : (
      <p>
        <a href={linkOf('/ops/guards', { client })}>All its guards, and as CSV</a>
      </p>
    )}
  </>
)

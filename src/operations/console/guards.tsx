import type { Child } from 'hono/jsx'
import { withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { Guard } from './instance-cells.tsx'
import { type Columns, listOf, timeColumn } from './list.tsx'
import { pageOf, placeOf } from './pages.tsx'
import type { ConsoleRequest } from './request.ts'

/** The guards of an instance, on the page of that instance, in the order of their names. */

const SIZE = 50

const guardColumns = (request: ConsoleRequest): Columns<GuardState> => [
  ['Guard', (guard) => <Guard guard={guard} />],
  timeColumn(request, 'Last heard', ({ reportedAtMs }) => reportedAtMs),
  ['Version', ({ version }) => version ?? 'not reported'],
  ['Without a lease', ({ withoutLease }) => withoutLeaseWords(withoutLease)],
]

export function guardList(request: ConsoleRequest, guards: readonly GuardState[]): Promise<Child> {
  const place = placeOf(request, (text) => text)
  const { from = '' } = place
  const found = guards
    .filter(({ guardId }) => guardId > from)
    .toSorted((a, b) => (a.guardId < b.guardId ? -1 : 1))
  const { shown, next } = pageOf(found, SIZE, ({ guardId }) => guardId)
  return listOf<GuardState>(request, {
    label: 'Guards',
    columns: guardColumns(request),
    entries: shown,
    none: 'No guard has reported yet.',
    pages: { place, next },
  })
}

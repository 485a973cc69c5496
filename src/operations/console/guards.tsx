import type { Child } from 'hono/jsx'
import { withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { Guard } from './instance-cells.tsx'
import { listOf, timeColumn } from './list.tsx'
import { pageOf, placeOf } from './pages.tsx'
import type { ConsoleRequest } from './request.ts'

/** All guards of an instance, page by page. */

const PAGE = 50

/** Reads the cursor of a page: the name of its last guard, by which the list is sorted. */
const guardIn = (text: string): string | undefined => (text.length <= 200 ? text : undefined)

export async function guardList(
  request: ConsoleRequest,
  guards: readonly GuardState[],
): Promise<Child> {
  const place = placeOf(request, guardIn, 'guards_')
  const rest = guards
    .filter(({ guardId }) => guardId > (place.from ?? ''))
    .toSorted((a, b) => (a.guardId < b.guardId ? -1 : 1))
  const { shown, next } = pageOf(rest, PAGE, ({ guardId }) => guardId)
  return listOf<GuardState>(request, {
    label: 'Guards',
    columns: [
      ['Guard', (one) => <Guard guard={one} />],
      timeColumn(request, 'Reported', ({ reportedAtMs }) => reportedAtMs),
      ['Version', ({ version }) => version ?? 'not reported'],
      ['Without a lease', ({ withoutLease }) => withoutLeaseWords(withoutLease)],
    ],
    entries: shown,
    none: 'No guard has reported yet.',
    pages: { place, next, list: 'guards_' },
  })
}

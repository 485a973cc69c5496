import { guardsNow, withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { consolePage, Live, Panel } from './layout.tsx'
import { nameOf, when } from './format.ts'
import { Guard } from './instance-cells.tsx'
import { listOf } from './list.tsx'
import { pageOf, placeOf, type Place } from './pages.tsx'
import { type ConsoleRequest } from './request.ts'

/** All guards, page by page. */

const PAGE = 50

/** Returns the key by which a list of guards is sorted. The key is also the list's cursor. */
export const guardKey = (clientId: string, guardId: string): string => `${clientId} ${guardId}`
const CURSOR = /^[^ ]{1,200} [^]{1,200}$/

export const guardPlace = (request: ConsoleRequest, list = ''): Place =>
  placeOf(request, CURSOR, list)

export function guardPage<T>(
  all: readonly T[],
  keyOf: (one: T) => string,
  { before = '' }: Place,
): { shown: T[]; next: string | undefined } {
  const rest = all
    .filter((one) => keyOf(one) > before)
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  return pageOf(rest, PAGE, keyOf)
}

export async function guardsPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const clientId = c.req.query('client') || undefined
  const guards = (await guardsNow(deps)).guards.filter(
    (one) => clientId === undefined || one.clientId === clientId,
  )
  const place = guardPlace(request)
  const { shown, next } = guardPage(guards, (one) => guardKey(one.clientId, one.guardId), place)
  const list = await listOf<GuardState>(request, {
    label: 'Guards',
    columns: [
      ['Instance', (one) => nameOf(deps, one.clientId)],
      ['Guard', (one) => <Guard guard={one} />],
      [
        'Reported',
        ({ reportedAtMs: at }) => (at === undefined ? '' : when(at, deps.clock.nowMs())),
      ],
      ['Version', ({ version }) => version ?? 'not reported'],
      ['Without a lease', ({ withoutLease }) => withoutLeaseWords(withoutLease)],
    ],
    entries: shown,
    none: 'No guard has reported yet.',
    pages: { place, next },
  })
  return consolePage(
    request,
    {
      title: clientId === undefined ? 'Guards' : `Guards of ${nameOf(deps, clientId)}`,
      at: '/clients',
      live: true,
    },
    <Live id="guards">
      <Panel>{list}</Panel>
    </Live>,
  )
}

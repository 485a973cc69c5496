import { guardsNow, withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { consolePage, Live, Panel } from './layout.tsx'
import { nameOf, when } from './format.ts'
import { Guard } from './instance-cells.tsx'
import { listOf } from './list.tsx'
import { pageOf, placeOf } from './pages.tsx'
import { type ConsoleRequest } from './request.ts'

/** All guards, page by page. */

const PAGE = 50

/** Returns the key by which the list is sorted. The key is also the list's cursor. */
const keyOf = ({ clientId, guardId }: GuardState): string => `${clientId} ${guardId}`
const CURSOR = /^[^ ]{1,200} [^]{1,200}$/

export async function guardsPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const clientId = c.req.query('client') || undefined
  const place = placeOf(request, CURSOR)
  const rest = (await guardsNow(deps)).guards
    .filter((one) => clientId === undefined || one.clientId === clientId)
    .filter((one) => keyOf(one) > (place.before ?? ''))
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const { shown, next } = pageOf(rest, PAGE, keyOf)
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

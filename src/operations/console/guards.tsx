import type { Child } from 'hono/jsx'
import { guardsNow, withoutLeaseWords, type GuardState } from '../acts/guards.ts'
import { consolePage, Live, Panel, Table } from './layout.tsx'
import { nameOf, when } from './format.ts'
import { Guard } from './instance-cells.tsx'
import { pageOf, Pages, placeOf, type Place } from './pages.tsx'
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
  return consolePage(
    request,
    {
      title: clientId === undefined ? 'Guards' : `Guards of ${nameOf(deps, clientId)}`,
      at: '/clients',
      live: true,
    },
    <Live id="guards">
      <Panel>
        <Table
          label="Guards"
          head={['Instance', 'Guard', 'Reported', 'Version', 'Without a lease']}
          rows={shown.map((one) => row(request, one))}
          none="No guard has reported yet."
        />
        <Pages request={request} of="guards" place={place} next={next} />
      </Panel>
    </Live>,
  )
}

const row = (request: ConsoleRequest, guard: GuardState): Child[] => [
  nameOf(request.deps, guard.clientId),
  <Guard guard={guard} />,
  guard.reportedAtMs === undefined ? '' : when(guard.reportedAtMs, request.deps.clock.nowMs()),
  guard.version ?? 'not reported',
  withoutLeaseWords(guard.withoutLease),
]

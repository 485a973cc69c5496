import type { Lock, Tenant } from '../../../db/types.ts'
import { consolePage, Panel } from './layout.tsx'
import { EVERYONE, lockWords } from './format.ts'
import { listOf, ms, timeColumn } from './list.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'

/** The connected tenants. Administrators sign the users of one out, lock it and lift its lock. */

const MOST_LOCKS = 1000

type Row = Tenant & { lock: Lock | undefined }

async function tenantsPage(request: ConsoleRequest): Promise<Response> {
  const { store } = request.deps
  const tenants = await store.listTenants()
  const locks = await store.listLocks({ state: 'open', kind: 'tenant', limit: MOST_LOCKS })
  const rows = tenants.map((one): Row => ({
    ...one,
    lock: locks.find(({ target }) => target.kind === 'tenant' && target.tid === one.tid),
  }))
  const list = await listOf<Row>(request, {
    label: 'Tenants',
    columns: [
      [
        'Tenant',
        ({ tid, name }) => (
          <>
            <strong>{name ?? tid}</strong>
            {name === undefined ? null : <div class="small">{tid}</div>}
          </>
        ),
      ],
      [
        'State',
        async ({ lock }) =>
          lock === undefined ? (
            <span class="tag">open</span>
          ) : (
            <>
              <span class="tag bad">locked</span>
              <div class="small">{await lockWords(request, lock)}</div>
            </>
          ),
      ],
      timeColumn(request, 'Connected', ({ connectedAt }) => ms(connectedAt)),
      isAdministrator(request) && ['Act', (one) => <Acts tenant={one} />],
    ],
    entries: rows,
    none: 'No tenant is connected yet.',
  })
  return consolePage(request, { title: 'Tenants', at: '/tenants' }, <Panel>{list}</Panel>)
}

function Acts({ tenant: { tid, name = tid, lock } }: { tenant: Row }) {
  const acts = [
    [EVERYONE, linkOf('/ops/revoke', { kind: 'tenant', value: tid })],
    lock === undefined
      ? ['Lock', linkOf('/ops/lock', { tenant: tid })]
      : ['Lift the lock', linkOf('/ops/locks/lift', { id: lock.id })],
    ['Set-up', `/setup/tenants/${tid}`],
  ] as const
  return acts.map(([words, href]) => (
    <div>
      <a href={href} aria-label={`${words}: ${name}`}>
        {words}
      </a>
    </div>
  ))
}

export const tenantsRoutes: readonly Mounted[] = [{ path: '/tenants', page: tenantsPage }]

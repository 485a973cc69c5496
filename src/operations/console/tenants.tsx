import type { Lock, Tenant } from '../../../db/types.ts'
import { lockWords } from './format.ts'
import { EVERYONE } from './texts/acts.ts'
import { ms, timeColumn, wholeListRoutes } from './list.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'
import { howToNameOne, NO_TENANT } from './texts/tenants.tsx'

/** The connected tenants. Administrators sign the users of one out, lock it and lift its lock. */

const MOST_LOCKS = 1000

type Row = Tenant & { lock: Lock | undefined }

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

/** Says how to name a tenant that has no name. */
const howToName = (_: ConsoleRequest, shown: readonly Row[]) => {
  const nameless = shown.find(({ name }) => name === undefined)
  return nameless && howToNameOne(nameless.tid)
}

export const tenantsRoutes: readonly Mounted[] = wholeListRoutes<Row>({
  name: 'tenants',
  title: 'Tenants',
  columns: (request) => [
    [
      'Tenant',
      ({ tid, name }) => (
        <>
          <strong>{name ?? tid}</strong>
          {name === undefined ? null : <div class="small">{tid}</div>}
        </>
      ),
      ({ name }) => name,
    ],
    ['Tenant ID', undefined, ({ tid }) => tid],
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
    isAdministrator(request) && ['Act', (one) => <Acts tenant={one} />, false],
  ],
  none: NO_TENANT,
  async all({ deps: { store } }) {
    const [tenants, locks] = await Promise.all([
      store.listTenants(),
      store.listLocks({ state: 'open', kind: 'tenant', limit: MOST_LOCKS }),
    ])
    return tenants.map((one) => ({
      ...one,
      lock: locks.find(({ target }) => target.kind === 'tenant' && target.tid === one.tid),
    }))
  },
  idOf: ({ tid }) => tid,
  note: howToName,
})

import type { Lock, Tenant } from '../../../db/types.ts'
import { causeOf } from '../checks/finding.ts'
import { isHidden, type Problem } from '../checks/readiness.ts'
import { problemsNow, URGENCY } from './problems.tsx'
import { EVERYONE } from './texts/acts.ts'
import { ms, timeColumn, wholeListRoutes } from './list.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'
import { howToNameOne, NO_TENANT, OPERATORS } from './texts/tenants.tsx'
import { lockWords } from './locks.tsx'

/** The connected tenants. Administrators sign the users of one out, lock it and lift its lock. */

const MOST_LOCKS = 1000

/** `problems`: what is wrong with the tenant and not hidden, the worst first. */
type Row = Tenant & { lock: Lock | undefined; isOperators: boolean; problems: readonly Problem[] }

export function TenantActs({ tenant: { tid, name = tid, lock, isOperators } }: { tenant: Row }) {
  const acts = [
    [EVERYONE, linkOf('/ops/revoke', { kind: 'tenant', value: tid })],
    // The lock of the operators' tenant is always rejected.
    lock === undefined
      ? !isOperators && ['Lock', linkOf('/ops/lock', { tenant: tid })]
      : ['Lift the lock', linkOf('/ops/locks/lift', { id: lock.id })],
    ['Set-up', `/setup/tenants/${tid}`],
  ] as const
  return acts.map(
    (act) =>
      act && (
        <div>
          <a href={act[1]} aria-label={`${act[0]}: ${name}`}>
            {act[0]}
          </a>
        </div>
      ),
  )
}

/** Returns the connected tenants with their locks. */
export async function tenantsNow(request: ConsoleRequest): Promise<Row[]> {
  const { store, connection } = request.deps
  const { operatorTenant } = connection.current()
  const [problems, tenants, locks] = await Promise.all([
    problemsNow(request),
    store.listTenants(),
    store.listLocks({ state: 'open', kind: 'tenant', limit: MOST_LOCKS }),
  ])
  return tenants.map((row) => ({
    ...row,
    isOperators: row.tid === operatorTenant,
    problems: problems.filter((problem) => !isHidden(problem) && problem.tids.includes(row.tid)),
    lock: locks.find(({ target }) => target.kind === 'tenant' && target.tid === row.tid),
  }))
}

/** The state of a tenant that is not locked, with its worst problem, if it has one. */
function Worst({ problem }: { problem: Problem | undefined }) {
  if (problem === undefined) return <span class="tag">open</span>
  const { words, tag } = URGENCY[problem.urgency]
  const [cause] = causeOf(problem.found)
  return problem.urgency === 'note' ? (
    <>
      <span class="tag">open</span>
      <div class="small">{`${words}: ${cause}`}</div>
    </>
  ) : (
    <>
      <span class={tag}>{words}</span> <div class="small">{cause}</div>
    </>
  )
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
      ({ tid, name, isOperators }) => (
        <>
          <strong>
            <a href={`/ops/tenants/${tid}`}>{name ?? tid}</a>
          </strong>
          {isOperators ? <div class="small">{OPERATORS}</div> : null}
          {name === undefined ? null : <div class="small">{tid}</div>}
        </>
      ),
      ({ name }) => name,
    ],
    ['Tenant ID', undefined, ({ tid }) => tid],
    [
      'State',
      async ({ lock, problems: [worst] }) =>
        lock === undefined ? (
          <Worst problem={worst} />
        ) : (
          <>
            <span class="tag bad">locked</span>
            <div class="small">{await lockWords(request, lock)}</div>
          </>
        ),
    ],
    timeColumn(request, 'Connected', ({ connectedAt }) => ms(connectedAt)),
    isAdministrator(request) && ['Act', (row) => <TenantActs tenant={row} />, false],
  ],
  none: NO_TENANT,
  all: tenantsNow,
  idOf: ({ tid }) => tid,
  note: howToName,
})

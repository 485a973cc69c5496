import type { TenantRow } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { isDecided } from '../microsoft/tenants.ts'
import type { Finding } from './finding.ts'

/** Each connected tenant: how MFA is proved there, and on whose word. */
export async function examineTenants({ store, connection, config }: Pick<Deps, 'store' | 'connection' | 'config'>): Promise<Finding[]> {
  const rows = (await store.listTenants()).filter((row) => row.removedAt === undefined)
  const { operatorTenant } = connection.current()
  const found = rows.map((row) => examineTenant(row, `${config.opsOrigin}/setup/tenants/${row.tid}/proof`))
  if (operatorTenant !== undefined && rows.length > 0 && !rows.some((row) => row.tid === operatorTenant)) {
    found.push({
      name: `tenant ${operatorTenant}`,
      state: 'warning',
      found: 'It is the operators’ tenant, and it is not connected: nobody can sign in as an operator.',
      mend: `cmb tenants add ${operatorTenant}, then choose its proof of MFA at /setup.`,
    })
  }
  return found
}

function examineTenant(row: TenantRow, page: string): Finding {
  const name = `tenant ${row.name ?? row.tid}`
  if (!isDecided(row)) {
    return { name, state: 'warning', found: 'Its proof of MFA is not chosen: nobody of it gets in.', mend: `Choose it at ${page}` }
  }
  if (row.mfaProof === 'conditional_access') {
    return {
      name,
      state: 'warning',
      found: `MFA is taken on ${row.proofAssertedBy === undefined ? 'the word of whoever set it' : `the word of ${row.proofAssertedBy}`} (conditional_access): no token shows it.`,
      mend: `Bind an authentication context to a policy that requires MFA, and choose it at ${page}`,
    }
  }
  const context = /^auth_context:(c\d+)$/.exec(row.mfaProof)?.[1]
  if (context !== undefined && row.proofAssertedAt === undefined) {
    return {
      name,
      state: 'warning',
      found: `Nobody has confirmed that a policy is bound to ${context}. Where none is, Entra sends ${context} all the same and it proves nothing.`,
      mend: `Try it and confirm it at ${page}`,
    }
  }
  return {
    name,
    state: 'good',
    found: `MFA is proved by ${row.mfaProof}${row.proofAssertedBy === undefined ? '' : `, asserted by ${row.proofAssertedBy}`}.`,
  }
}

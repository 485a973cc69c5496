import { describe, expect, test } from 'vitest'
import type { Caller } from '../../src/audit/caller.ts'
import { ACTS } from '../../src/operations/contract/acts.ts'
import { ask } from '../../src/operations/contract/ask.ts'
import { createRig, TENANT } from '../rig.ts'

/** The acts as pages ask them, in the process. */

const administrator = {
  actor: { kind: 'operator', id: 'u_adam' },
  source: 'broker',
  via: 'console',
  may: 'administer',
} as const satisfies Caller
const ofTenant: Caller = { ...administrator, actor: { ...administrator.actor, tid: TENANT } }

describe('the acts of the contract', () => {
  test('that are not marked for tenants are closed to the administrators of one', () => {
    const open = ACTS.filter((act) => {
      try {
        act.admit(ofTenant)
        return true
      } catch {
        return false
      }
    })
    expect(open.map(({ at }) => at)).toEqual([
      'GET /sign-ins',
      'GET /reports',
      'POST /reports/:id/done',
      'POST /revocations',
      'POST /locks',
      'POST /locks/:id/lift',
      'PATCH /tenants/:tid',
    ])
  })

  test('that are marked for tenants reach nothing of another tenant', async () => {
    const rig = await createRig()
    const elsewhere = [
      ask(rig, ofTenant, 'POST /revocations', { selector: { kind: 'everything' } }),
      ask(rig, ofTenant, 'POST /revocations', { selector: { kind: 'tenant', tid: TENANT } }),
      ask(rig, ofTenant, 'POST /locks', { target: { kind: 'tenant', tid: TENANT } }),
      ask(rig, ofTenant, 'POST /locks/:id/lift', { id: 'l_other' }),
    ]
    for (const asked of elsewhere) await expect(asked).rejects.toMatchObject({ status: 404 })
    expect(await rig.store.listAudit({ limit: 10 })).toEqual([])
  })

  test('of the machine alone are closed to every page', () => {
    const local = ACTS.filter(({ definition }) => definition.here !== undefined)
    expect(local.length).toBeGreaterThan(0)
    for (const act of local) expect(() => act.admit(administrator)).toThrow(/Run cmb /)
  })

  test('that change something have a name in the audit log', () => {
    const changing = ACTS.filter(({ at }) => !at.startsWith('GET'))
    expect(changing.filter(({ definition }) => definition.audit === undefined)).toEqual([])
  })
})

import { describe, expect, test } from 'vitest'
import type { Caller } from '../../src/audit/caller.ts'
import { ACTS } from '../../src/operations/contract/acts.ts'
import { ask, dryRun } from '../../src/operations/contract/ask.ts'
import { createRig, OTHER_TENANT, TENANT } from '../rig.ts'

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
    const { user } = (await rig.openSession({ user: { tid: OTHER_TENANT } })).session
    const { lock } = await ask(rig, administrator, 'POST /locks', {
      target: { kind: 'user', tid: user.tid, oid: user.oid },
    })
    const recorded = await rig.store.listAudit({ limit: 10 })
    const elsewhere = [
      ask(rig, ofTenant, 'POST /revocations', { selector: { kind: 'everything' } }),
      ask(rig, ofTenant, 'POST /revocations', { selector: { kind: 'tenant', tid: TENANT } }),
      ask(rig, ofTenant, 'POST /locks', { target: { kind: 'tenant', tid: TENANT } }),
      ask(rig, ofTenant, 'POST /locks/:id/lift', { id: lock.id }),
      ask(rig, ofTenant, 'GET /sign-ins', {}),
      ask(rig, ofTenant, 'GET /sign-ins', { tid: OTHER_TENANT }),
      ask(rig, ofTenant, 'GET /reports', {}),
      ask(rig, ofTenant, 'PATCH /tenants/:tid', { tid: OTHER_TENANT, help_contact: null }),
      ask(rig, ofTenant, 'PATCH /tenants/:tid', { tid: TENANT, name: 'Mine' }),
    ]
    for (const asked of elsewhere)
      await expect(asked).rejects.toMatchObject({ status: 404, title: 'Not of your tenant' })
    expect(await rig.store.listAudit({ limit: 10 })).toEqual(recorded)
  })

  test('name no account of another tenant in a dry run for the administrator of one', async () => {
    const rig = await createRig()
    const home = { homeId: 'uid.utid' }
    const { sub } = (await rig.openSession({ user: home })).session
    await rig.openSession({ user: { ...home, tid: OTHER_TENANT, oid: 'guest' } })
    const othersFor = async (caller: Caller) => {
      const runs = await Promise.all([
        dryRun(rig, caller, 'POST /revocations', { selector: { kind: 'subject', sub } }),
        dryRun(rig, caller, 'POST /locks', { target: { kind: 'user', sub } }),
      ])
      return runs.map(({ would_end: end }) => end.other_subjects.length)
    }
    expect(await othersFor(administrator)).toEqual([1, 1])
    expect(await othersFor(ofTenant)).toEqual([0, 0])
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

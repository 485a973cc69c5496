import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, START, TENANT, type Rig } from '../rig.ts'
import { cmb, startCmb, type Ran } from './cmb.ts'

/** `cmb lock`, `unlock`, `locks` and `scheduled`, as two administrators type them on the broker's machine. */

let rig: Rig
let type: (args: string[], user?: string) => Promise<Ran>

beforeEach(async () => {
  rig = await createRig()
  await startCmb(rig)
  type = (args, user = 'olga') => cmb(args, { dataDir: rig.config.dataDir, user })
})

describe('cmb lock', () => {
  test('locks a user, lists the lock and lifts it', async () => {
    const { session } = await rig.openSession()
    const dry = await type(['lock', 'user', '--subject', session.sub, '--dry-run'])
    expect([dry.code, dry.out]).toEqual([0, 'This would end 1 session(s) of 1 user(s), at 0 client(s). Nothing was done.\n'])
    const until = new Date((START + 3600) * 1000).toISOString().replace('.000', '')
    const made = await type(['lock', 'user', '--subject', session.sub, '--case', 'INC-7', '--until', until, '--json'])
    expect(made.json()).toMatchObject({ outcome: 'locked', lock: { ends_at: START + 3600, actor: { id: 'cmb@olga (unverified)' } } })
    const again = await type(['lock', 'user', '--tid', TENANT, '--oid', session.user.oid])
    expect(again.out).toContain('is locked already')
    const [lock] = await rig.store.listLocks({ state: 'open', limit: 2 })
    const list = await type(['locks', 'list'])
    expect(list.out).toContain(`${lock?.id}  user ${TENANT} ${session.user.oid}`)
    expect(list.out).toContain('INC-7')
    expect((await type(['unlock', lock?.id ?? ''], 'erin')).out).toBe(`Lifted: user ${TENANT} ${session.user.oid} may sign in again.\n`)
    expect((await type(['unlock', lock?.id ?? ''])).out).toContain('cmb@erin (unverified) already lifted it')
    expect((await type(['locks', 'list'])).out).toBe('Nothing is locked.\n')
  })

  test('a lock of a client waits until another administrator confirms it', async () => {
    await rig.register('Sydney')
    const proposed = await type(['lock', 'client', 'sydney', '--case', 'INC-8'])
    const [, id = ''] = /cmb scheduled confirm (a_\S+)/.exec(proposed.out) ?? []
    expect((await type(['scheduled', 'confirm', id])).err).toContain('Another administrator must confirm it.')
    expect((await type(['scheduled', 'list', '--state', 'proposed'])).out).toContain('lock client sydney')
    expect((await type(['scheduled', 'confirm', id], 'erin')).out).toMatch(/^Done: lock client sydney \(lock l_\w+/)
    expect((await type(['locks', 'list', '--kind', 'client', '--json'])).json()).toMatchObject({ locks: [{ target: { client_id: 'sydney' } }] })
  })

  test('a revocation and a lock are scheduled, and canceled; a time needs its offset', async () => {
    const { session } = await rig.openSession()
    const at = new Date((START + 3600) * 1000).toISOString().replace('.000', '')
    expect((await type(['revoke', '--subject', session.sub, '--at', at])).out).toMatch(/^Scheduled: revoke subject .* at 2026-11-24T10:00:00Z/)
    expect((await type(['lock', 'user', '--subject', session.sub, '--at', at, '--dry-run'])).out).toContain('Nothing was done.')
    const [act] = await rig.store.listScheduledActs({ limit: 1 })
    expect((await type(['scheduled', 'cancel', act?.id ?? ''])).out).toMatch(/^Canceled: revoke subject/)
    const wrong = await type(['lock', 'user', '--subject', session.sub, '--at', '2026-12-04 17:00'])
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('Name a time with its offset')])
    expect((await type(['lock', 'user', '--tid', TENANT])).code).toBe(2)
  })
})

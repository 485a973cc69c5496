import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, OTHER_TENANT, START, TENANT, type Rig } from '../rig.ts'
import { cmb, startCmb, type Ran } from './cmb.ts'

/** `cmb lock`, `unlock` and `locks`, as two administrators type them on the broker's machine. */

let rig: Rig
let type: (args: string[], user?: string, answer?: string) => Promise<Ran>

beforeEach(async () => {
  rig = await createRig()
  await startCmb(rig)
  type = (args, user = 'olga', answer) =>
    cmb(args, { dataDir: rig.config.dataDir, user, ...(answer !== undefined && { answer }) })
})

describe('cmb lock', () => {
  test('locks a user, lists the lock and lifts it', async () => {
    const { session } = await rig.openSession()
    const dry = await type(['lock', 'user', '--subject', session.sub, '--dry-run'])
    expect([dry.code, dry.out]).toEqual([
      0,
      expect.stringMatching(
        /^This would end 1 session\(s\) of 1 user\(s\), at 0 client\(s\); .*\. Nothing was done\.\n$/,
      ),
    ])
    const until = new Date((START + 3600) * 1000).toISOString().replace('.000', '')
    const made = await type([
      'lock',
      'user',
      '--subject',
      session.sub,
      '--case',
      'INC-7',
      '--until',
      until,
      '--json',
    ])
    expect(made.json()).toMatchObject({
      outcome: 'locked',
      lock: { ends_at: START + 3600, actor: { id: 'cmb@olga (unverified)' } },
    })
    const user = ['lock', 'user', '--tid', TENANT, '--oid', session.user.oid]
    const again = await type([...user, '--until', until])
    expect(again.out).toContain('is locked already')
    const sooner = new Date((START + 600) * 1000).toISOString().replace('.000', '')
    const shorter = await type([...user, '--until', sooner])
    expect(shorter).toMatchObject({
      code: 1,
      err: expect.stringMatching(/is locked already, .*Nothing was changed/) as string,
    })
    const [{ id } = { id: '' }] = await rig.store.listLocks({ state: 'open', limit: 1 })
    expect((await type([...user, '--dry-run'])).out).toContain(
      `Lock ${id} is open, until ${until}: only --replaces ${id} changes it. Nothing was done.`,
    )
    const longer = await type(user)
    expect(longer.code).not.toBe(0)
    expect(longer.err).toMatch(/ends earlier.*--replaces l_\w+/s)
    const [lock] = await rig.store.listLocks({ state: 'open', limit: 2 })
    const list = await type(['locks', 'list'])
    expect(list.out).toContain(
      `${lock?.id}  Alice Adams · alice@contoso.example (user ${TENANT} ${session.user.oid})`,
    )
    expect(list.out).toContain('INC-7')
    expect((await type(['unlock', lock?.id ?? ''], 'erin')).out).toBe(
      `Lifted: Alice Adams · alice@contoso.example (user ${TENANT} ${session.user.oid}) may sign in again.\n`,
    )
    expect((await type(['lock', 'user', '--subject', session.sub, '--dry-run'])).out).toMatch(
      /^This would end no session: no user is signed in.*\. Nothing was done\.\n$/,
    )
    expect((await type(['unlock', lock?.id ?? ''])).out).toContain(
      'cmb@erin (unverified) already lifted it',
    )
    expect((await type(['locks', 'list'])).out).toBe('No locks.\n')
  })

  test('asks before it locks a client or a tenant, with what that ends; --yes does not ask', async () => {
    const sydney = await rig.register('Sydney')
    const { session } = await rig.openSession({ user: { tid: OTHER_TENANT } })
    await rig.signInAt(session.sid, sydney)
    const ends =
      'would end 1 session(s) of 1 user(s), at 1 client(s); 1 logout token(s) to deliver; they are Alice Adams'
    for (const [kind, id] of [
      ['client', 'sydney'],
      ['tenant', OTHER_TENANT],
    ] as const) {
      const rejected = await type(['lock', kind, id])
      expect([kind, rejected.code, rejected.err]).toEqual([
        kind,
        2,
        expect.stringContaining('Nothing was done. Add --yes to do it.'),
      ])
      const declined = await type(['lock', kind, id], 'olga', 'no')
      expect([kind, declined.code, declined.err]).toEqual([kind, 1, expect.stringContaining(ends)])
    }
    expect(await rig.store.listLocks({ state: 'all', limit: 2 })).toEqual([])
    expect((await type(['lock', 'tenant', OTHER_TENANT, '--dry-run'])).out).toContain(
      'Nothing was done.',
    )
    const made = await type(['lock', 'client', 'sydney', '--case', 'INC-8'], 'olga', 'yes')
    expect(made.out).toMatch(/^Locked: client sydney, by lock l_\w+/)
    for (const [command, words] of [
      [['status'], 'Case Manager Sydney (client sydney)  operator cmb@olga (unverified)  INC-8'],
      [['clients', 'list'], 'operator cmb@olga (unverified)'],
    ] as const)
      expect((await type([...command])).out).toContain(words)
    expect((await type(['locks', 'list', '--kind', 'client', '--json'])).json()).toMatchObject({
      locks: [{ target: { client_id: 'sydney' } }],
    })
    expect((await type(['lock', 'client', 'sydney', '--yes'])).out).toContain('is locked already')
    const { id } = (await rig.store.listLocks({ state: 'open', limit: 1 }))[0] ?? { id: '' }
    const replaced = await type([
      'lock',
      'client',
      'sydney',
      '--yes',
      '--replaces',
      id,
      '--until',
      '+8h',
      '--json',
    ])
    expect(replaced.json()).toMatchObject({
      outcome: 'locked',
      lock: { target: { client_id: 'sydney' } },
    })
    expect(await rig.store.findLock(id)).toMatchObject({
      lifted: { actor: { id: 'cmb@olga (unverified)' } },
    })
  })

  test('a time needs its offset, and a user both ids', async () => {
    const { session } = await rig.openSession()
    const wrong = await type([
      'lock',
      'user',
      '--subject',
      session.sub,
      '--until',
      '2026-12-04 17:00',
    ])
    expect([wrong.code, wrong.err]).toEqual([
      2,
      expect.stringContaining('Name a time with its offset'),
    ])
    expect((await type(['lock', 'user', '--tid', TENANT])).code).toBe(2)
  })
})

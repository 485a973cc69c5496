import { beforeEach, describe, expect, test } from 'vitest'
import { createRig, OTHER_TENANT, TENANT, type RegisteredClient, type Rig } from '../rig.ts'
import { startCmb } from './cmb.ts'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']
let sydney: RegisteredClient
let alice: Awaited<ReturnType<Rig['openSession']>>
let bob: Awaited<ReturnType<Rig['openSession']>>

beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
  sydney = await rig.register('Sydney')
  alice = await rig.openSession()
  bob = await rig.openSession({
    user: {
      tid: OTHER_TENANT,
      oid: '00000000-0000-4000-8000-000000000b0b',
      name: 'Bob Brown',
      username: 'bob@fabrikam.example',
      email: undefined,
    },
  })
  await rig.signInAt(alice.session.sid, sydney)
})

const state = async (signedIn: typeof alice) =>
  (await rig.store.statusBySid(signedIn.session.sid, rig.clock.now())).state
const newest = async () => (await rig.store.listRevocations({ limit: 1 }))[0]

describe('cmb sessions list', () => {
  test('finds users by name, tenant, sub and client; shows no cookie', async () => {
    const sids = async (...args: string[]) =>
      (await type(['sessions', 'list', ...args, '--json']))
        .json<{ sessions: { sid: string }[] }>()
        .sessions.map((session) => session.sid)
    expect((await sids()).toSorted()).toEqual([alice.session.sid, bob.session.sid].toSorted())
    expect(await sids('--user', 'ALICE')).toEqual([alice.session.sid])
    expect(await sids('--tenant', OTHER_TENANT)).toEqual([bob.session.sid])
    expect(await sids('--subject', bob.session.sub)).toEqual([bob.session.sid])
    expect(await sids('--client', 'sydney')).toEqual([alice.session.sid])
    const { out } = await type(['sessions', 'list'])
    expect(out).toContain('alice@contoso.example')
    expect(out).not.toContain(alice.cookie)
  })

  test('a name that holds control characters cannot reach the terminal', async () => {
    await rig.openSession({
      user: {
        oid: '00000000-0000-4000-8000-00000000e71e',
        username: 'eve\u001b[2J@contoso.example',
      },
    })
    expect((await type(['sessions', 'list'])).out).not.toContain('\u001b')
  })
})

describe('cmb search and the filters of lists', () => {
  test('find users, clients, sessions, revocations and cases, live or ended', async () => {
    await type(['revoke', '--session', bob.session.sid, '--case', 'INC-4711'])
    const found = async (...words: string[]) => (await type(['search', ...words])).out
    expect(await found('BROWN', 'bob')).toMatch(
      new RegExp(`${bob.session.sub} +Bob Brown +bob@fabrikam.example`),
    )
    expect(await found('sydney')).toMatch(/CLIENT ID[^]*sydney/)
    expect(await found(bob.session.sid)).toMatch(new RegExp(`${bob.session.sid} +ended`))
    expect(await found('INC-4711')).toMatch(/INC-4711 +1 +0/)
    expect(await found('1')).toMatch(/1 +administrator +INC-4711/)
    expect(await found('nothing-like-it')).toMatch(/^No users, .*, sign-ins, cases\.\n$/)
    const seqs = async (...args: string[]) =>
      (await type(['revocations', 'list', ...args, '--json']))
        .json<{ revocations: { seq: number }[] }>()
        .revocations.map(({ seq }) => seq)
    expect([await seqs('--case', 'INC-4711'), await seqs('--subject', alice.session.sub)]).toEqual([
      [1],
      [],
    ])
    expect([
      await seqs('--from', '2001-01-01', '--reason', 'administrator'),
      await seqs('--to', '2001-01-01'),
    ]).toEqual([[1], []])
    expect((await type(['audit', '--act', 'revoke', '--from', '2001-01-01'])).out).toContain(
      'INC-4711',
    )
    expect((await type(['audit', '--to', '2001-01-01'])).out).toBe('No entries.\n')
  })
})

describe('cmb revoke', () => {
  test('--session ends it, with the operator, the case and the words in the log', async () => {
    const ran = await type([
      'revoke',
      '--session',
      alice.session.sid,
      '--case',
      'INC-4711',
      '--comment',
      'laptop stolen',
    ])
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(await state(alice)).toBe('ended')
    expect(await state(bob)).toBe('live')
    expect(await newest()).toMatchObject({
      reason: 'administrator',
      actor: { kind: 'operator', id: 'cmb@olga (unverified)' },
      caseReference: 'INC-4711',
      comment: 'laptop stolen',
      sessions: 1,
    })
    expect(await type(['revoke', '--session', alice.session.sid])).toMatchObject({
      code: 0,
      out: expect.stringContaining('already') as string,
    })
  })

  test('--grant needs --client, and ends that part alone', async () => {
    expect(await type(['revoke', '--grant', alice.session.sid])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--client') as string,
    })
    expect(
      await type(['revoke', '--grant', alice.session.sid, '--client', 'sydney']),
    ).toMatchObject({ code: 0 })
    expect(await state(alice)).toBe('live')
    expect((await newest())?.selector).toEqual({
      kind: 'grant',
      sid: alice.session.sid,
      clientId: 'sydney',
    })
  })

  test('--subject ends everything of one user', async () => {
    const other = await rig.openSession({ device: 'Safari on iPhone' })
    expect((await type(['revoke', '--subject', alice.session.sub])).code).toBe(0)
    expect([await state(alice), await state(other), await state(bob)]).toEqual([
      'ended',
      'ended',
      'live',
    ])
  })

  test('--user names one user by words of their name; words that fit several, or none, revoke and lock nothing', async () => {
    const other = await rig.openSession({
      user: { oid: '00000000-0000-4000-8000-00000000a11d', name: 'Alice Archer' },
    })
    for (const command of [['revoke'], ['lock', 'user']]) {
      const several = await type([...command, '--user', 'alice'])
      expect([several.code, several.err]).toEqual([
        1,
        expect.stringMatching(
          new RegExp(`Nothing was done.*${alice.session.sub} +Alice Adams`, 's'),
        ),
      ])
      expect(several.err).toContain(other.session.sub)
      expect(await type([...command, '--user', 'nina'])).toMatchObject({
        code: 1,
        err: expect.stringContaining('No user is called nina. Nothing was done.') as string,
      })
    }
    expect([await state(alice), await state(other)]).toEqual(['live', 'live'])
    for (const command of [['revoke'], ['lock', 'user']])
      expect(await type([...command, '--user', 'ali ada'])).toMatchObject({
        code: 2,
        err: expect.stringContaining(
          'ali ada is Alice Adams (alice@contoso.example). Nothing was done. Add --yes to do it.',
        ) as string,
      })
    const asked = await type(['revoke', '--user', 'ali ada'], { answer: 'no' })
    expect([asked.code, await state(alice)]).toEqual([1, 'live'])
    expect((await type(['revoke', '--user', 'alice adams'])).code).toBe(0)
    expect((await type(['lock', 'user', '--user', 'bob fabri', '--yes'])).code).toBe(0)
    expect([await state(alice), await state(other), await state(bob)]).toEqual([
      'ended',
      'live',
      'ended',
    ])
    expect((await type(['revocations', 'list'])).out).toContain(
      `Alice Adams · alice@contoso.example (subject ${alice.session.sub})`,
    )
    expect((await type(['audit', '--target', `subject ${alice.session.sub}`])).out).toContain(
      'Alice Adams',
    )
    const own = await type(['audit', '--target', 'alice adams'])
    expect(own.out).toContain(`subject ${alice.session.sub}`)
    expect(own.out).not.toMatch(/bob/i)
    expect(await type(['audit', '--actor', 'nina'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('No operator, user or client is called nina.') as string,
    })
  })

  test('--dry-run says how many and does nothing', async () => {
    const { seq } = await rig.store.head()
    const ran = await type(['revoke', '--tenant', TENANT, '--dry-run', '--json'])
    expect(ran.json()).toMatchObject({ dry_run: true, would_end: { sessions: 1, subjects: 1 } })
    expect((await rig.store.head()).seq).toBe(seq)
    expect(await state(alice)).toBe('live')
  })

  test.each([
    ['--subject', 'alice', 'cmb sessions list --user'],
    ['--session', 's_nobody', 'cmb sessions list'],
    ['--client', 'sidney', 'cmb clients list'],
    ['--tenant', '99999999-9999-4999-8999-999999999999', 'cmb tenants'],
  ])(
    '--dry-run of an unknown target is rejected, not counted as empty: %s %s',
    async (option, value, words) => {
      expect(await type(['revoke', option, value, '--dry-run'])).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringContaining(words) as string,
      })
    },
  )

  test('a wide revocation asks for confirmation; without a terminal it needs --yes', async () => {
    expect(await type(['revoke', '--everything'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    })
    expect(await type(['revoke', '--everything'], { answer: 'no' })).toMatchObject({ code: 1 })
    expect(await state(alice)).toBe('live')
    const asked = await type(['revoke', '--everything'], { answer: 'yes' })
    expect(asked.err).toContain('2 session(s) of 2 user(s)')
    expect([await state(alice), await state(bob)]).toEqual(['ended', 'ended'])
  })

  test('--tenant and --client with --yes', async () => {
    expect((await type(['revoke', '--tenant', OTHER_TENANT, '--yes'])).code).toBe(0)
    expect([await state(alice), await state(bob)]).toEqual(['live', 'ended'])
    expect((await type(['revoke', '--client', 'sydney', '--yes'])).code).toBe(0)
    expect((await newest())?.selector).toEqual({ kind: 'client', clientId: 'sydney' })
  })

  test('of a tenant in which no user has ever signed in, --tenant says so', async () => {
    const tid = '33333333-2222-4333-8444-555555555555'
    expect((await type(['tenants', 'add', tid])).code).toBe(0)
    expect(await type(['revoke', '--tenant', tid, '--yes'])).toMatchObject({
      code: 0,
      out: expect.stringContaining(`No user of ${tid} has ever signed in here`) as string,
    })
  })

  test('exactly one selector; an unknown one is rejected with where to look', async () => {
    expect(await type(['revoke'])).toMatchObject({ code: 2 })
    expect(await type(['revoke', '--session', 's', '--subject', 'u'])).toMatchObject({ code: 2 })
    expect(await type(['revoke', '--session', 's_nobody'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('cmb sessions list') as string,
    })
    expect(await type(['revoke', '--tenant', 'contoso', '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('GUID') as string,
    })
  })

  test('a session that was opened after the revocation stays', async () => {
    await type(['revoke', '--subject', alice.session.sub])
    const later = await rig.openSession()
    expect(await state(later)).toBe('live')
  })
})

describe('cmb audit', () => {
  test('every act has an entry with its actor, interface and outcome; a rejected one too', async () => {
    const said = ['--case', 'INC-1', '--comment', 'the laptop was stolen']
    await type(['revoke', '--session', alice.session.sid, ...said])
    await type(['revoke', '--session', 's_nobody', '--case', 'INC-2'])
    await type(['clients', 'rotate-secret', 'sydney'])
    await type(['keys', 'rotate', 'ES256'])
    await type(['deliveries', 'redrive', '--all'])
    await type(['revoke', '--everything', '--dry-run'])
    const { entries } = (await type(['audit', '--json'])).json<{
      entries: { act: string; ended: { outcome: string } }[]
    }>()
    expect(entries.map((entry) => `${entry.act} ${entry.ended.outcome}`)).toEqual([
      'redrive done',
      'key.rotate done',
      'client.rotate_secret done',
      'revoke rejected',
      'revoke done',
    ])
    expect(entries[4]).toMatchObject({
      actor: { kind: 'operator', id: 'cmb@olga (unverified)' },
      via: 'command',
      target: `session ${alice.session.sid}`,
      case_reference: 'INC-1',
      ended: { result: { sessions: 1 } },
    })
    expect((await type(['audit', '--case', 'INC-2', '--json'])).json()).toMatchObject({
      entries: [{ act: 'revoke' }],
    })
    const [head, ...lines] = (await type(['audit'])).out.split('\n')
    expect(head).toMatch(/TARGET +ENDED +CASE REFERENCE +COMMENT$/)
    expect(lines[3]).toMatch(/cmb@olga .*session s_nobody +rejected: \S.{1,60} INC-2 +-$/)
    expect(lines[4]).toMatch(/Alice Adams .* done, revocation 1 +INC-1 +the laptop was stolen$/)
    expect(JSON.stringify(entries)).not.toContain('cms_')
  })
})

describe('cmb revocations and deliveries', () => {
  test('the log shows each delivery with its attempts', async () => {
    await type(['revoke', '--session', alice.session.sid])
    const seq = (await newest())?.seq ?? 0
    const [delivery] = await rig.store.listDeliveries({ seq, limit: 10 })
    if (delivery === undefined) throw new Error('nothing was owed')
    expect(rig.queue.added.map((deliveryRef) => deliveryRef.id)).toContain(delivery.id)
    const nowMs = rig.clock.nowMs()
    await rig.store.leaseDelivery({ id: delivery.id, attempt: 1, nowMs, untilMs: nowMs + 10_000 })
    await rig.store.recordDelivery({
      id: delivery.id,
      result: {
        outcome: 'rejected',
        attempt: {
          attempt: 1,
          atMs: nowMs,
          outcome: 'rejected',
          status: 400,
          latencyMs: 12,
          jti: 'j1',
          error: 'HTTP 400 invalid_request',
        },
      },
    })
    const shown = await type(['revocations', 'show', String(seq), '--json'])
    expect(shown.json()).toMatchObject({
      seq,
      reason: 'administrator',
      deliveries: [
        {
          client_id: 'sydney',
          state: 'rejected',
          attempts: [{ attempt: 1, status: 400, latency_ms: 12, jti: 'j1' }],
        },
      ],
    })
    expect((await type(['revocations', 'show', String(seq)])).out).toContain('rejected')
    expect((await type(['revocations', 'list'])).out).toContain('cmb@olga')
    expect(
      (await type(['deliveries', 'list', '--state', 'rejected', '--json'])).json<{
        deliveries: unknown[]
      }>().deliveries,
    ).toHaveLength(1)

    rig.queue.added.length = 0
    expect(await type(['deliveries', 'redrive'])).toMatchObject({ code: 2 })
    for (const wrong of [['--client', 'sidney'], ['nothing-of-that-id']])
      expect(await type(['deliveries', 'redrive', ...wrong])).toMatchObject({
        code: 1,
        err: expect.stringContaining('cmb') as string,
      })
    expect((await type(['deliveries', 'redrive', '--client', 'sydney', '--json'])).json()).toEqual({
      redriven: 1,
    })
    expect(rig.queue.added).toMatchObject([{ id: delivery.id, attempt: 1 }])
    expect((await type(['deliveries', 'list', '--state', 'pending'])).out).toContain(delivery.id)
    expect(await type(['deliveries', 'close', delivery.id])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--reason') as string,
    })
    expect(await type(['deliveries', 'close', '--reason', 'gone'])).toMatchObject({ code: 2 })
    expect(
      await type(['deliveries', 'close', 'nothing-of-that-id', '--reason', 'gone']),
    ).toMatchObject({ code: 1 })
    expect((await type(['deliveries', 'try', 'nothing-of-that-id'])).err).toContain(
      'cmb deliveries list',
    )
    rig.queue.changes.length = 0
    expect(
      (
        await type([
          'deliveries',
          'close',
          '--client',
          'sydney',
          '--reason',
          'gone',
          '--case',
          'INC-1',
        ])
      ).out,
    ).toBe('closed  1\n')
    expect(rig.queue.changes).toEqual([seq])
    expect(
      (await type(['deliveries', 'close', '--client', 'sydney', '--reason', 'gone'])).out,
    ).toBe('closed  0\n')
    const closed = (await type(['revocations', 'show', String(seq), '--json'])).json<{
      deliveries: { attempts: unknown[] }[]
    }>()
    expect(closed).toMatchObject({ deliveries: [{ state: 'closed' }] })
    expect(closed.deliveries[0]?.attempts.at(-1)).toMatchObject({
      outcome: 'closed',
      error: 'gone',
    })
    expect((await rig.store.listAudit({ act: 'close', limit: 5 })).at(-1)).toMatchObject({
      target: 'client_id sydney',
      comment: 'gone',
      caseReference: 'INC-1',
      ended: { outcome: 'done', result: { closed: 1 } },
    })
    expect(await type(['deliveries', 'list', '--state', 'lost'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('state') as string,
    })
    expect(await type(['revocations', 'show', '999'])).toMatchObject({ code: 1 })
  })
})

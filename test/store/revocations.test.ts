import { describe, expect, test } from 'vitest'
import {
  benches,
  expectOutcome,
  family,
  PROBED,
  STORES,
  T0,
  TENANT,
  type Bench,
} from './fixture.ts'

async function inThree(b: Bench) {
  for (const clientId of ['sydney', 'melbourne', 'perth']) await b.client(clientId)
  const { session } = await b.signIn('alice')
  for (const clientId of ['sydney', 'melbourne', 'perth']) await b.exchange(session.sid, clientId)
  return session
}

describe.each(STORES)('revoking, on %s', (_name, make) => {
  const open = benches(make)

  test('a session ends in the act, and one logout token by sid is pending for each address of each participant', async () => {
    const b = await open()
    const session = await inThree(b)
    await b.client('perth', {
      logoutUris: ['https://perth.example/one', 'https://perth.example/two'],
    })
    const { committed } = expectOutcome(
      await b.revoke({ kind: 'session', sid: session.sid }),
      'revoked',
    )
    expect(committed.revocation).toEqual({
      seq: 1,
      selector: { kind: 'session', sid: session.sid },
      tid: TENANT,
      reason: 'administrator',
      actor: { kind: 'operator', id: 'test' },
      at: T0,
      caseReference: undefined,
      comment: undefined,
      fanOut: 'complete',
      sessions: 1,
      sessionsUntil: session.absoluteAt + 60,
      sessionClients: expect.toSatisfy(
        (clients: string[]) => clients.toSorted().join() === 'melbourne,perth,sydney',
      ),
    })
    expect(committed.pending).toHaveLength(4)
    const deliveries = await b.store.listDeliveries({ seq: 1, limit: 10 })
    expect(deliveries.map(({ uri }) => uri).toSorted()).toEqual([
      'https://melbourne.example/backchannel',
      'https://perth.example/one',
      'https://perth.example/two',
      'https://sydney.example/backchannel',
    ])
    for (const delivery of deliveries)
      expect(delivery).toMatchObject({
        sid: session.sid,
        sub: undefined,
        state: 'pending',
        attempts: 0,
        createdAtMs: T0 * 1000,
        nextAttemptAtMs: T0 * 1000,
      })
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
      state: 'ended',
      why: 'revoked',
      session: { ended: { seq: 1, at: T0, reason: 'administrator' } },
    })
  })

  test('the result of one that covers nothing says so, and nothing is appended', async () => {
    const b = await open()
    const session = await inThree(b)
    const outcome = async (selector: Parameters<Bench['revoke']>[0]) =>
      (await b.revoke(selector)).outcome
    expect(await outcome({ kind: 'session', sid: 's_none' })).toBe('unknown')
    expect(await outcome({ kind: 'subject', sub: 'u_none' })).toBe('unknown')
    expect(await outcome({ kind: 'client', clientId: 'none' })).toBe('unknown')
    expect(await outcome({ kind: 'grant', sid: session.sid, clientId: 'none' })).toBe('unknown')
    expect(await outcome({ kind: 'grant', sid: session.sid, clientId: 'sydney' })).toBe('revoked')
    expect(await outcome({ kind: 'session', sid: session.sid })).toBe('revoked')
    expect(await outcome({ kind: 'session', sid: session.sid })).toBe('already')
    expect(await outcome({ kind: 'grant', sid: session.sid, clientId: 'perth' })).toBe('already')
    expect(await b.store.head()).toMatchObject({ seq: 2 })
  })

  test('a session that a wide revocation covers is already revoked, before its deliveries are written', async () => {
    const b = await open()
    const session = await inThree(b)
    await b.revoke({ kind: 'subject', sub: session.sub })
    expect(await b.revoke({ kind: 'session', sid: session.sid })).toEqual({ outcome: 'already' })
  })

  test('of two revocations of one session at once, one is appended', async () => {
    const b = await open()
    const { sid } = await inThree(b)
    const both = await Promise.all([1, 2].map(() => b.revoke({ kind: 'session', sid })))
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['already', 'revoked'])
    expect(await b.store.head()).toMatchObject({ seq: 1 })
    expect(await b.store.listDeliveries({ limit: 10 })).toHaveLength(3)
  })

  test('a grant ends alone; its client gets a logout token now, and another when the session ends', async () => {
    const b = await open()
    const session = await inThree(b)
    const { family: sydney } = await b.exchange(session.sid, 'sydney')
    const { family: perth } = await b.exchange(session.sid, 'perth')
    const grant = expectOutcome(
      await b.revoke({ kind: 'grant', sid: session.sid, clientId: 'sydney' }),
      'revoked',
    )
    expect(grant.committed).toMatchObject({
      revocation: { tid: TENANT, sessions: 1 },
      pending: [{ attempt: 1 }],
    })
    expect(await b.refresh(family(sydney))).toEqual({ outcome: 'rejected', why: 'revoked' })
    expect((await b.refresh(family(perth))).outcome).toBe('rotated')
    const end = expectOutcome(await b.revoke({ kind: 'session', sid: session.sid }), 'revoked')
    expect(end.committed.pending).toHaveLength(3)
  })

  test('seq rises by one with each, and the log is read newest first or from where one left off', async () => {
    const b = await open()
    await b.client('sydney')
    for (let i = 0; i < 5; i++) await b.revoke({ kind: 'client', clientId: 'sydney' })
    expect((await b.store.listRevocations({ limit: 2 })).map(({ seq }) => seq)).toEqual([5, 4])
    expect((await b.store.listRevocations({ before: 4, limit: 10 })).map(({ seq }) => seq)).toEqual(
      [3, 2, 1],
    )
    expect(await b.store.findRevocation(3)).toMatchObject({
      seq: 3,
      fanOut: 'pending',
      tid: undefined,
    })
    expect(await b.store.findRevocation(6)).toBeUndefined()
  })

  test("the operator's reference and words stay with it", async () => {
    const b = await open()
    const words = { caseReference: 'CASE-7', comment: 'laptop lost' }
    await b.store.revoke({
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: b.now,
      ...words,
    })
    expect(await b.store.findRevocation(1)).toMatchObject(words)
  })

  test('a preview says who and how many, and does nothing', async () => {
    const b = await open()
    const session = await inThree(b)
    const second = await b.signIn('alice')
    await b.exchange(second.session.sid, 'sydney')
    const bob = await b.signIn('bob', { tid: 'tenant-2' })
    await b.exchange(bob.session.sid, 'sydney')
    const preview = (selector: Parameters<Bench['revoke']>[0]) =>
      b.store.previewRevocation(selector, b.now)
    expect(await preview({ kind: 'everything' })).toMatchObject({
      sessions: 3,
      subjects: 2,
      clients: 3,
      deliveries: 5,
    })
    expect(await preview({ kind: 'tenant', tid: TENANT })).toMatchObject({
      sessions: 2,
      subjects: 1,
      clients: 3,
      deliveries: 4,
    })
    expect(await preview({ kind: 'subject', sub: session.sub })).toMatchObject({
      sessions: 2,
      subjects: 1,
      clients: 3,
      deliveries: 4,
    })
    expect(await preview({ kind: 'client', clientId: 'sydney' })).toMatchObject({
      sessions: 3,
      subjects: 2,
      clients: 1,
      deliveries: 3,
    })
    expect(await preview({ kind: 'session', sid: session.sid })).toMatchObject({
      sessions: 1,
      subjects: 1,
      clients: 3,
      deliveries: 3,
    })
    expect(await preview({ kind: 'grant', sid: session.sid, clientId: 'perth' })).toMatchObject({
      sessions: 1,
      subjects: 1,
      clients: 1,
      deliveries: 1,
    })
    await b.client('sydney', { logoutBy: 'sub' })
    expect(await preview({ kind: 'everything' })).toMatchObject({ deliveries: 4 })
    expect(await b.store.head()).toMatchObject({ seq: 0 })
    await b.revoke({ kind: 'subject', sub: session.sub })
    expect(await preview({ kind: 'everything' })).toMatchObject({ sessions: 1, subjects: 1 })
  })

  test('time ends sessions through the log: each with its own reason, a bounded number at a time, each once', async () => {
    const b = await open()
    await b.client('sydney')
    const idle = await b.signIn('alice', { session: { idleSeconds: 600 } })
    const expired = await b.signIn('bob', { session: { absoluteAt: T0 + 500 } })
    const marked = await b.signIn('carol', { session: PROBED })
    await b.signIn('dave')
    await b.exchange(idle.session.sid, 'sydney')
    await b.mark(marked.session.sid, T0 + 300, 'mfa_lapsed')
    expect(await b.store.expireSessions({ now: b.now + 299, limit: 10 })).toEqual([])
    b.now += 600
    const first = await b.store.expireSessions({ now: b.now, limit: 2 })
    const rest = await b.store.expireSessions({ now: b.now, limit: 2 })
    expect(await b.store.expireSessions({ now: b.now, limit: 2 })).toEqual([])
    const ended = [...first, ...rest].map(({ revocation, pending }) => ({
      selector: revocation.selector,
      reason: revocation.reason,
      pending: pending.length,
    }))
    expect(ended).toEqual([
      { selector: { kind: 'session', sid: marked.session.sid }, reason: 'mfa_lapsed', pending: 0 },
      { selector: { kind: 'session', sid: expired.session.sid }, reason: 'expired', pending: 0 },
      { selector: { kind: 'session', sid: idle.session.sid }, reason: 'idle', pending: 1 },
    ])
    expect(await b.store.liveSessionCount(b.now)).toBe(1)
  })

  test('two sweeps at once, and sign-outs beside them, end each session once', async () => {
    const b = await open()
    await b.client('sydney')
    const sids: string[] = []
    for (const who of ['alice', 'bob', 'carol', 'dave', 'erin']) {
      const { session } = await b.signIn(who, { session: { idleSeconds: 600 } })
      await b.exchange(session.sid, 'sydney')
      sids.push(session.sid)
    }
    b.now += 600
    const sweep = async () => (await b.store.expireSessions({ now: b.now, limit: 3 })).length
    const signOut = async (sid: string) =>
      (await b.revoke({ kind: 'session', sid })).outcome === 'revoked' ? 1 : 0
    const counts = await Promise.all([
      sweep(),
      signOut(sids[0] ?? ''),
      sweep(),
      signOut(sids[1] ?? ''),
    ])
    // If two run at once, one may leave to the other what it has begun.
    for (let more = 1; more > 0; counts.push(more)) more = await sweep()
    expect(counts.reduce((sum, count) => sum + count)).toBe(5)
    const log = await b.store.listRevocations({ limit: 10 })
    expect(
      log
        .map(({ selector }) => (selector.kind === 'session' ? selector.sid : selector.kind))
        .toSorted(),
    ).toEqual(sids.toSorted())
    expect(
      (await b.store.listDeliveries({ limit: 10 })).map(({ sid }) => sid ?? '').toSorted(),
    ).toEqual(sids.toSorted())
  })

  test('what a wide revocation has ended does not expire as well', async () => {
    const b = await open()
    const { session } = await b.signIn('alice', { session: { idleSeconds: 600 } })
    await b.revoke({ kind: 'subject', sub: session.sub })
    expect(await b.store.expireSessions({ now: b.now + 600, limit: 10 })).toEqual([])
    await b.fanOutAll()
    expect(await b.store.expireSessions({ now: b.now + 600, limit: 10 })).toEqual([])
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
      session: { ended: { reason: 'administrator' } },
    })
  })
})

import { describe, expect, test } from 'vitest'
import type { Revocation } from '../../db/types.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, OTHER_TENANT, TENANT, type RegisteredClient, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/** The feed for guards that judge the instance's own sessions (docs/feed.md). */

const HOUR = 3600
const DAY = 24 * HOUR
const OLIVIA = { kind: 'operator', id: 'olivia' } as const

async function broker(tenants?: string[]) {
  const rig = await createRig()
  const client = await rig.register('Sydney', tenants === undefined ? {} : { tenants })
  const other = await rig.register('Melbourne')
  const url = await rig.serve()
  const basic = { authorization: client.basic }
  return {
    rig,
    client,
    other,
    url,
    feed: (query: string, by = client) =>
      follow(`${url}/revocations${query}`, { authorization: by.basic }),
    poll: async (query: string, by = client) => {
      const answer = await fetch(`${url}/revocations${query}`, {
        headers: { authorization: by.basic, accept: 'application/json' },
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    },
    ask: async (form: Record<string, string | number>, headers = basic) => {
      const answer = await fetch(`${url}/revocations/session`, {
        method: 'POST',
        headers,
        body: new URLSearchParams(Object.entries(form).map(([k, v]) => [k, String(v)])),
      })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    },
  }
}

/** Signs a user in at the client for as long as the setting allows, and returns the ID token. */
async function signIn(rig: Rig, client: RegisteredClient, seconds = 90 * DAY) {
  const { session } = await rig.openSession({ absoluteAt: rig.clock.now() + seconds })
  const tokens = await rig.signInAt(session.sid, client)
  const [, payload = ''] = tokens.id_token?.split('.') ?? []
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
    rev: number
    session_expiry: number
  }
  return { ...claims, sid: session.sid, sub: session.sub }
}

async function end(rig: Rig, selector: Selector): Promise<number> {
  const answer = await requestRevocation(rig.deps, {
    selector,
    reason: 'administrator',
    actor: OLIVIA,
    now: rig.clock.now(),
  })
  return answer.outcome === 'revoked' ? answer.committed.revocation.seq : expect.fail('not revoked')
}

const entriesOf = (events: { event: string; data: Record<string, unknown> }[]) =>
  events.flatMap(({ event, data }) =>
    event === 'snapshot' ? (data['entries'] as { seq: number; session_exp?: number }[]) : [],
  )

describe('a guard that judges sessions', () => {
  test('learns of a revocation 2 hours, 23 hours and 89 days later what can still end a session', async () => {
    const { rig, client, other, feed, poll } = await broker()
    const { sid, session_expiry: expiry } = await signIn(rig, client)
    const seq = await end(rig, { kind: 'session', sid })
    const wanted = { seq, session_exp: expiry + 60, selector: { kind: 'session', sid } }
    for (const seconds of [2 * HOUR, 21 * HOUR, 88 * DAY]) {
      rig.clock.advance(seconds)
      const guard = await feed('?sessions=1')
      const { data } = await guard.until('live')
      expect(entriesOf(guard.events)).toMatchObject([wanted])
      expect(data).toMatchObject({ seq, complete_from: 0 })
      guard.close()
      const { body } = await poll('?sessions=1')
      expect(body).toMatchObject({ entries: [wanted], complete_from: 0, more: false })
      // A guard of tokens has no use for it, and a client that took no part has none.
      expect((await poll('')).body['entries']).toEqual([])
      expect((await poll('?sessions=1', other)).body['entries']).toEqual([])
    }
    rig.clock.advance(2 * DAY)
    expect((await poll('?sessions=1')).body['entries']).toEqual([])
  })

  test('learns of it when it resumes hours later, and live', async () => {
    const { rig, client, other, feed } = await broker()
    const first = await signIn(rig, client)
    await signIn(rig, client)
    const guards = {
      sessions: await feed('?sessions=1'),
      tokens: await feed(''),
      elsewhere: await feed('?sessions=1', other),
    }
    for (const guard of Object.values(guards)) await guard.until('live')
    const seq = await end(rig, { kind: 'session', sid: first.sid })
    const seen = await Promise.all(
      Object.values(guards).map(async (guard) => (await guard.until('revocation')).data),
    )
    expect(seen.map((data) => data['session_exp'])).toEqual([
      first.session_expiry + 60,
      undefined,
      undefined,
    ])
    // A guard that does not ask for sessions gets what 1.0.0-rc.2 sent.
    const { events } = guards.tokens
    expect(JSON.stringify(events)).not.toMatch(/session_exp|complete_from/)
    expect(Object.keys(events.at(-1)?.data ?? {})).toEqual([
      'seq',
      'selector',
      'exp',
      'reason_class',
    ])
    for (const guard of Object.values(guards)) guard.close()
    const { epoch } = await rig.store.head()
    rig.clock.advance(5 * HOUR)
    const missed = await end(rig, { kind: 'everything' })
    rig.clock.advance(2 * HOUR)
    const resumed = await feed(`?sessions=1&last_event_id=${epoch}.${seq}`)
    await resumed.until('live')
    expect(entriesOf(resumed.events)).toMatchObject([{ seq: missed }])
  })

  test('gets what a broker of 1.0.0-rc.2 commits while its stream is open, as long as any session may last', async () => {
    const { rig, feed } = await broker()
    const guards = [await feed('?sessions=1'), await feed('')]
    for (const guard of guards) await guard.until('live')
    const { seq } = await rig.store.head()
    const at = rig.clock.now()
    const former: Revocation = {
      seq: seq + 1,
      selector: { kind: 'session', sid: 's_former' },
      tid: TENANT,
      at,
      reason: 'administrator',
      actor: OLIVIA,
      sessions: 1,
      fanOut: 'complete',
    }
    rig.deps.feed.publish(former, 0)
    const seen = await Promise.all(
      guards.map(async (guard) => (await guard.until('revocation')).data),
    )
    expect(seen.map((data) => data['session_exp'])).toEqual([at + 90 * DAY + 60, undefined])
  })

  test('sees the sessions of a tenant that its registration has lost, as long as they may last', async () => {
    const { rig, client, feed, poll } = await broker([TENANT, OTHER_TENANT])
    const { sub } = await signIn(rig, client)
    const { tenants: _none, ...metadata } = client.metadata
    await rig.store.putClient({
      clientId: client.clientId,
      source: 'command',
      metadata: { ...metadata, tenants: [OTHER_TENANT] },
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    rig.clock.advance(20 * DAY)
    const seq = await end(rig, { kind: 'subject', sub })
    rig.clock.advance(2 * HOUR)
    expect((await poll('?sessions=1')).body).toMatchObject({
      entries: [{ seq }],
      tenants: [OTHER_TENANT, TENANT],
    })
    const guard = await feed('')
    expect((await guard.until('live')).data).toMatchObject({ tenants: [OTHER_TENANT] })
  })

  test('gets long snapshots in pages, each entry once', async () => {
    const { rig, client, poll } = await broker()
    await signIn(rig, client)
    const { sid } = await signIn(rig, client)
    await end(rig, { kind: 'session', sid })
    for (let n = 0; n < 30; n++) await end(rig, { kind: 'tenant', tid: TENANT })
    rig.clock.advance(2 * HOUR)
    await end(rig, { kind: 'client', clientId: client.clientId })
    const seqs: number[] = []
    for (let after = 0; ; after = seqs.at(-1) ?? 0) {
      const rows = await rig.store.revocationsAfter({
        after,
        since: rig.clock.now() - 3660,
        limit: 7,
        sessionsOf: { clientId: client.clientId, now: rig.clock.now() },
      })
      seqs.push(...rows.map(({ seq }) => seq))
      if (rows.length < 7) break
    }
    expect(seqs).toEqual(Array.from({ length: 32 }, (_, n) => n + 1))
    expect(((await poll('?sessions=1')).body['entries'] as unknown[]).length).toBe(32)
  })

  test('says so in the row of its leases and in its report', async () => {
    const { rig, client, url, poll } = await broker()
    const first = (await poll('?sessions=1&guard=a')).body['stream'] as string
    expect((await poll(`?sessions=1&guard=a&stream=${first}`)).body['stream']).toBe(first)
    expect((await poll(`?guard=a&stream=${first}`)).body['stream']).not.toBe(first)
    expect((await poll('?sessions=yes')).status).toBe(400)
    const { epoch, seq } = await rig.store.head()
    await fetch(`${url}/revocations/enforced`, {
      method: 'POST',
      headers: { authorization: client.basic, 'content-type': 'application/json' },
      body: JSON.stringify({ epoch, seq, guard: 'a', sessions: true }),
    })
    expect(await rig.store.guardReports()).toMatchObject([{ guardId: 'a', sessions: true }])
  })
})

describe('the question about one session', () => {
  test('a live session is active, with the head and its end, and stays so', async () => {
    const { rig, client, ask } = await broker()
    const { sid, sub, rev, session_expiry } = await signIn(rig, client)
    const another = await end(rig, { kind: 'session', sid: (await signIn(rig, client)).sid })
    const active = { active: true, rev: another, session_expiry }
    for (const form of [
      { sid, sub, rev },
      { sid, sub },
      { sid, sub, rev: another + 9 },
    ])
      expect((await ask(form)).body).toEqual(active)
  })

  test.each<[string, (world: { sid: string; sub: string; clientId: string }) => Selector]>([
    ['session', ({ sid }) => ({ kind: 'session', sid })],
    ['grant', ({ sid, clientId }) => ({ kind: 'grant', sid, clientId })],
    ['subject', ({ sub }) => ({ kind: 'subject', sub })],
    ['client', ({ clientId }) => ({ kind: 'client', clientId })],
    ['tenant', () => ({ kind: 'tenant', tid: TENANT })],
    ['everything', () => ({ kind: 'everything' })],
  ])('a session that a revocation of %s covers is not', async (_kind, selectorOf) => {
    const { rig, client, ask } = await broker()
    const { sid, sub, rev } = await signIn(rig, client)
    const seq = await end(rig, selectorOf({ sid, sub, clientId: client.clientId }))
    for (const form of [
      { sid, sub, rev },
      { sid, sub },
      { sid, sub, rev: seq + 9 },
    ])
      expect((await ask(form)).body).toEqual({ active: false })
  })

  test('a grant that ended and was opened again is active by the rev of its new ID token alone', async () => {
    const { rig, client, ask } = await broker()
    const { sid, sub, rev } = await signIn(rig, client)
    await end(rig, { kind: 'grant', sid, clientId: client.clientId })
    await rig.signInAt(sid, client)
    const { seq } = await rig.store.head()
    expect((await ask({ sid, sub, rev: seq })).body).toMatchObject({ active: true })
    for (const form of [
      { sid, sub, rev },
      { sid, sub },
    ])
      expect((await ask(form)).body).toEqual({ active: false })
  })

  test('another user’s, an unknown or an expired session is not active, nor one of which the client is no part', async () => {
    const { rig, client, other, ask } = await broker()
    const { sid, sub, rev } = await signIn(rig, client, HOUR)
    const inactive = [
      await ask({ sid, sub: 'another', rev }),
      await ask({ sid: 'unknown', sub, rev }),
      await ask({ sid, sub, rev }, { authorization: other.basic }),
    ]
    rig.clock.advance(HOUR)
    inactive.push(await ask({ sid, sub, rev }))
    expect(inactive.map(({ status, body }) => [status, body])).toEqual(
      inactive.map(() => [200, { active: false }]),
    )
  })

  test('is no activity of the user, and is limited as introspection is', async () => {
    const rig = await createRig({ env: { BROKER_RATE_INTROSPECT: '1/s:2' } })
    const client = await rig.register('Sydney')
    const { sid, sub } = await signIn(rig, client)
    rig.clock.advance(HOUR)
    const before = await rig.store.statusBySid(sid, rig.clock.now())
    const ask = async () =>
      (await rig.post('/revocations/session', { sid, sub }, { authorization: client.basic })).status
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429])
    expect(await rig.store.statusBySid(sid, rig.clock.now())).toEqual(before)
  })

  test('a malformed one is rejected', async () => {
    const { ask } = await broker()
    for (const form of [{}, { sid: 's' }, { sub: 'u' }, { sid: 's', sub: 'u', rev: 'x' }])
      expect((await ask(form)).status).toBe(400)
  })
})

import { createGuard } from '@case-manager/guard'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { receiptOf } from '../../src/revocation/receipt.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { ClockWatch } from '../../src/runtime/clock-watch.ts'
import { purgeOneTime } from '../../workers/housekeeping.ts'
import { createRig, ISSUER, OTHER_TENANT, TENANT, type RegisteredClient, type Rig } from '../rig.ts'

/** Revocations of a broker whose clock is wrong, or was when it started. */

const HOUR = 3600

async function revokeSession(rig: Rig, sid: string) {
  const answer = await requestRevocation(rig.deps, {
    selector: { kind: 'session', sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: rig.deps.clock.now(),
  })
  return answer.outcome === 'revoked' ? answer.committed.revocation : expect.unreachable()
}

async function guardAt(url: string, client: RegisteredClient) {
  const guard = createGuard({
    issuer: ISSUER,
    clientId: client.clientId,
    clientSecret: client.secret,
    audience: client.metadata.audience,
    guardId: 'web-1',
    // The guard gives each address as text.
    fetch: (input, init) => fetch((input as string).replace(ISSUER, url), init),
    hooks: { problem: () => {} },
  })
  onTestFinished(() => guard.stop())
  await guard.start()
  return guard
}

/** Stops a broker that has revoked a session, and starts one whose clock is ahead. */
async function startsAhead(seconds: number) {
  const first = await createRig({ realTime: true })
  const client = await first.register('Sydney', { accessTokenSeconds: 3600 })
  const { session } = await first.openSession()
  const { access_token: token } = await first.signInAt(session.sid, client)
  const { session: other } = await first.openSession()
  const { refresh_token: refreshToken } = await first.signInAt(other.sid, client)
  const url = await first.serve()
  const guard = await guardAt(url, client)
  await vi.waitFor(() => expect(guard.status().leaseMs).toBeGreaterThan(0))
  await guard.stop()
  const { seq } = await revokeSession(first, session.sid)
  await receiptOf(first.deps, seq)
  await first.stop()
  const { dir, clock, microsoft, database } = first
  clock.advance(seconds)
  const before = { dir, clock, microsoft, database }
  const rig = await createRig({ realTime: true, isCompared: false, before })
  return { client, rig, seq, token, revoked: session, live: other, refreshToken }
}

describe('a broker that was started with a clock ahead, before Microsoft has answered', () => {
  test('sends what was revoked in the hour before, so that a guard knows it once the clock is right', async () => {
    const { client, rig, token } = await startsAhead(2 * HOUR)
    const guard = await guardAt(await rig.serve(), client)
    // By the Date of this machine, as when a time service has set the broker's clock.
    expect(await guard.check(token)).toMatchObject({ ok: false, why: 'revoked' })
  })

  test('calls no session of an instance ended by its time', async () => {
    const { client, live, revoked, rig } = await startsAhead(36 * HOUR)
    const ask = async ({ sid, sub }: { sid: string; sub: string }): Promise<unknown> => {
      const headers = { authorization: client.basic }
      return (await rig.post('/revocations/session', { sid, sub }, headers)).json()
    }
    expect(await ask(live)).toMatchObject({ active: true })
    expect(await ask(revoked)).toEqual({ active: false })
    rig.deps.clockWatch.comparison()(0)
    expect(await ask(live)).toEqual({ active: false })
  })

  test('rejects no refresh for good by the time', async () => {
    const { client, refreshToken = '', rig } = await startsAhead(36 * HOUR)
    const refresh = async (): Promise<unknown> => {
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken }
      return (await rig.post('/token', form, { authorization: client.basic })).json()
    }
    expect(await refresh()).toMatchObject({ error: 'temporarily_unavailable' })
    rig.deps.clockWatch.comparison()(0)
    expect(await refresh()).toMatchObject({ error: 'invalid_grant' })
  })

  test('confirms no lease by the time of day', async () => {
    const { rig, seq } = await startsAhead(180)
    const receipt = async () => (await receiptOf(rig.deps, seq)) ?? expect.unreachable()
    expect(await receipt()).toMatchObject({
      final: false,
      participants: [{ tokens: { state: 'bounded' } }],
    })
    rig.deps.clockWatch.comparison()(0)
    expect(await receipt()).toMatchObject({
      final: true,
      participants: [{ tokens: { state: 'confirmed', by: 'lease' } }],
    })
  })

  test('names the instance whose tenant was removed a moment ago in the receipt', async () => {
    const { client, rig, seq } = await startsAhead(2 * HOUR)
    const registered = rig.deps.clients.find(client.clientId) ?? expect.unreachable()
    vi.spyOn(rig.deps.clients, 'find').mockReturnValue({
      ...registered,
      metadata: { ...registered.metadata, tenants: [OTHER_TENANT] },
      formerTenants: [{ tid: TENANT, removedAt: rig.clock.now() - 2 * HOUR }],
    })
    expect((await receiptOf(rig.deps, seq))?.participants).toHaveLength(1)
  })

  test('forgets no value that may be used once before it can be used no more', async () => {
    const { rig } = await startsAhead(2 * HOUR)
    const usedAt = rig.clock.now() - 2 * HOUR
    const use = (idHash: string, expiresAt: number) =>
      rig.store.consumeOnce({ purpose: 'client_assertion', idHash, expiresAt })
    await use('valid', usedAt + 300)
    await use('past', usedAt - 300)
    await purgeOneTime(rig.deps)
    expect(await use('valid', usedAt + 300)).toBe(false)
    expect(await use('past', usedAt - 300)).toBe(true)
  })

  test('ends nothing by the time of day', async () => {
    const { rig } = await startsAhead(0)
    expect(rig.deps.clockWatch.isCertain()).toBe(false)
    rig.deps.clockWatch.comparison()(0)
    expect(rig.deps.clockWatch.isCertain()).toBe(true)
  })
})

describe('a machine that was suspended', () => {
  const machine = () => {
    const passed = { wall: 0, steady: 0, elapsed: 0 }
    const watch = new ClockWatch({
      now: () => passed.wall,
      nowMs: () => passed.wall * 1000,
      steadyMs: () => passed.steady * 1000,
      elapsedMs: () => passed.elapsed * 1000,
    })
    return { passed, watch }
  }

  test('has the right time at once where its wall clock counted the suspension', () => {
    const { passed, watch } = machine()
    Object.assign(passed, { wall: 3 * HOUR, elapsed: 3 * HOUR })
    expect([watch.now(), watch.disagrees()]).toEqual([3 * HOUR, false])
  })

  test('has a wrong time where its wall clock is off by more, and the time is corrected', () => {
    const { passed, watch } = machine()
    Object.assign(passed, { wall: 5 * HOUR, steady: 60, elapsed: 3 * HOUR })
    expect([watch.now(), watch.disagrees()]).toEqual([3 * HOUR, true])
  })

  test('has the right time where the clock that counts suspension jumped alone', () => {
    const { passed, watch } = machine()
    Object.assign(passed, { wall: 60, steady: 60, elapsed: 720 * HOUR })
    expect([watch.now(), watch.disagrees()]).toEqual([60, false])
  })
})

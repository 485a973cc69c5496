import { expect, test, vi } from 'vitest'
import type { DeliveryRef } from '../../db/types.ts'
import { readUnverified, verifyForeign } from '../../src/keys/jws.ts'
import { verifyReceipt } from '../../src/operations/acts/evidence-file.ts'
import { signedReceiptOf } from '../../src/operations/acts/receipts.ts'
import { signedReceipt as shape } from '../../src/operations/contract/shapes.ts'
import { shown } from '../../src/operations/contract/wire.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/** A broker with guards that follow its feed by HTTP, and report as the test says. */
async function broker(...cities: string[]) {
  const rig = await createRig()
  const url = await rig.serve()
  const clients = new Map<string, RegisteredClient>()
  for (const city of cities) clients.set(city, await rig.register(city))
  const of = (city: string): RegisteredClient => clients.get(city) ?? expect.unreachable()
  const { epoch } = await rig.store.head()
  const guard = async (city: string, name = 'web-1') => {
    const stream = await follow(`${url}/revocations?guard=${name}`, {
      authorization: of(city).basic,
    })
    await vi.waitFor(() => expect(stream.names()).toContain('live'))
    return { ...stream, city, name, stream: String(stream.grants[0]?.data.stream) }
  }
  const report = async (one: Awaited<ReturnType<typeof guard>>, seq: number, ...more: string[]) => {
    const response = await fetch(`${url}/revocations/enforced`, {
      method: 'POST',
      headers: { authorization: of(one.city).basic, 'content-type': 'application/json' },
      body: JSON.stringify({ epoch, seq, guard: one.name, streams: [one.stream, ...more] }),
    })
    expect(response.status).toBe(204)
  }
  const signOut = async (...at: string[]) => {
    const { session } = await rig.openSession()
    for (const city of at) await rig.signInAt(session.sid, of(city))
    const answer = await rig.store.revoke({
      selector: { kind: 'session', sid: session.sid },
      reason: 'signed_out',
      actor: { kind: 'user', id: session.sub },
      now: rig.clock.now(),
    })
    return answer.outcome === 'revoked' ? answer.committed : expect.unreachable()
  }
  const receipt = async (seq: number) =>
    shown(shape, (await signedReceiptOf(rig.deps, seq)) ?? expect.unreachable())
  const states = async (seq: number) =>
    Object.fromEntries(
      (await receipt(seq)).participants.map((one) => [one.client_id, [one.state, one.by]]),
    )
  return { rig, of, guard, report, signOut, receipt, states }
}

const delivered = (rig: Rig, pending: readonly DeliveryRef[], clientId: string) =>
  rig.store.listDeliveries({ limit: 100 }).then(async (all) => {
    for (const { id, attempts } of all.filter((one) => one.clientId === clientId))
      if (pending.some((ref) => ref.id === id))
        await rig.store.recordDelivery({
          id,
          result: {
            outcome: 'delivered',
            attempt: {
              ...{ attempt: attempts + 1, atMs: rig.clock.nowMs(), latencyMs: 5, status: 200 },
              outcome: 'delivered',
            },
          },
        })
  })

test('a receipt tells of an instance of each kind what it knows, signed, and is final when the longest lease is over', async () => {
  const { rig, guard, report, signOut, receipt, states } = await broker(
    ...['Darwin', 'Melbourne', 'Perth', 'Sydney'],
  )
  const sydney = await guard('Sydney')
  await guard('Melbourne')
  await report(sydney, 0)
  const at = rig.clock.nowMs()
  const { revocation, pending } = await signOut('Darwin', 'Melbourne', 'Perth', 'Sydney')
  await delivered(rig, pending, 'perth')
  await report(sydney, revocation.seq)
  const { jws, ...members } = await receipt(revocation.seq)
  const one = { lease_seconds: 30, by: null, no_later_than_ms: null }
  expect(members).toEqual({
    ...{ seq: revocation.seq, acknowledged_at_ms: at, lease_seconds: 30, final: false },
    participants: [
      {
        ...one,
        ...{ client_id: 'darwin', state: 'not_bounded', guards: { listening: 0, confirmed: 0 } },
      },
      {
        ...one,
        ...{ client_id: 'melbourne', state: 'bounded', no_later_than_ms: at + 30_000 },
        guards: { listening: 1, confirmed: 0 },
      },
      {
        ...one,
        ...{ client_id: 'perth', state: 'confirmed', by: 'logout_token', no_later_than_ms: at + 5 },
        guards: { listening: 0, confirmed: 0 },
      },
      {
        ...one,
        ...{ client_id: 'sydney', state: 'confirmed', by: 'report', no_later_than_ms: at },
        guards: { listening: 1, confirmed: 1 },
      },
    ],
  })
  const keys = (await rig.deps.keys.list()).map((key) => key.publicJwk)
  const check = async (text: unknown, typ: string) => {
    const answer = await verifyForeign(String(text), keys)
    const ofType = readUnverified(String(text))?.header.typ === typ
    return ofType && answer.outcome === 'good' ? answer.claims : undefined
  }
  expect(await verifyReceipt({ ...members, jws }, check)).toMatchObject({ log: 'receipt', from: 1 })
  for (const changed of [
    { ...members, final: true, jws },
    { ...members, jws: jws.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')) },
  ])
    await expect(verifyReceipt(changed, check)).rejects.toThrow(/was changed/)
  rig.clock.advance(30)
  expect(await states(revocation.seq)).toMatchObject({
    melbourne: ['confirmed', 'lease'],
    darwin: ['not_bounded', null],
  })
  expect(await receipt(revocation.seq)).toMatchObject({ final: true })
})

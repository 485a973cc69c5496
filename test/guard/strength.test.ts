import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { Strength } from '@case-manager/guard'
import { requireToken } from '@case-manager/guard/hono'
import { START, startBroker, startGuard } from './stand-in.ts'

/** An act that demands a strong or recent authentication (RFC 9470). */

const MFA = 'urn:case-manager:acr:mfa'
const DEMAND: Strength = { acr: 'phr', maxAgeSeconds: 300 }

/** Returns an instance whose page makes that demand, and what it answers to a token. */
async function instance(demand: Strength) {
  const broker = await startBroker()
  const guard = await startGuard(broker)
  const app = new Hono()
  app.get('/sealed', requireToken(guard, demand), (c) => c.text('the sealed case'))
  const ask = async (claims: Record<string, unknown>) => {
    const authorization = `Bearer ${await broker.token(claims)}`
    const answer = await app.request('/sealed', { headers: { authorization } })
    return [answer.status, answer.headers.get('www-authenticate')]
  }
  return { broker, guard, ask }
}
const challenge = (rest: string) => [
  401,
  `Bearer error="insufficient_user_authentication", error_description="The user must authenticate more strongly, or again.", ${rest}`,
]

test('an act for a phishing-resistant authentication of the last five minutes is done for no other, and the answer says what to ask for', async () => {
  const { ask } = await instance(DEMAND)
  const missed = challenge('acr_values="phr", max_age="300"')
  const strong = { acr: 'phr', auth_time: START }
  // The tolerance for the times of tokens counts here too.
  for (const age of [0, 305])
    expect(await ask({ ...strong, auth_time: START - age })).toEqual([200, null])
  for (const claims of [
    { acr: MFA },
    { acr: undefined },
    { acr: 'phrh' },
    { acr: ['phr'] },
    { auth_time: START - 306 },
    { auth_time: undefined },
  ])
    expect(await ask({ ...strong, ...claims })).not.toEqual([200, null])
  expect(await ask({ ...strong, acr: MFA })).toEqual(missed)
})

test('a stronger authentication meets a weaker demand, an unknown demand is met by itself alone, and a wrong one by none', async () => {
  const weaker = await instance({ acr: MFA })
  expect(await weaker.ask({ acr: 'phr' })).toEqual([200, null])
  expect(await weaker.ask({ acr: 'another' })).toEqual(challenge(`acr_values="${MFA}"`))
  const other = await instance({ acr: 'another' })
  expect(await other.ask({ acr: 'another' })).toEqual([200, null])
  expect(await other.ask({ acr: 'phr' })).toEqual(challenge('acr_values="another"'))
  const wrong = await instance({ maxAgeSeconds: Number.NaN })
  expect((await wrong.ask({ auth_time: START }))[0]).toBe(401)
})

test('an instance’s own session is compared by its ID token, and the answer is what its authorization request needs', async () => {
  const { guard } = await instance(DEMAND)
  const session = { sub: 'u_alice', acr: 'phr', auth_time: START }
  expect(guard.stepUp(session, DEMAND)).toBeUndefined()
  const request = { acr_values: 'phr', max_age: '300' }
  expect(guard.stepUp({ ...session, acr: MFA }, DEMAND)).toEqual(request)
  expect(guard.stepUp({}, DEMAND)).toEqual(request)
  expect(guard.stepUp({}, { maxAgeSeconds: 300 })).toEqual({ max_age: '300' })
})

test('where the clocks differ, the age counts by the broker’s', async () => {
  const broker = await startBroker()
  broker.aheadSeconds = 600
  const guard = await startGuard(broker)
  const session = { acr: 'phr', auth_time: START + 600 - 300 }
  expect(guard.stepUp(session, DEMAND)).toBeUndefined()
  expect(guard.stepUp({ ...session, auth_time: START }, DEMAND)).toBeDefined()
})

import { expect, test } from 'vitest'
import type { SignalIssuer } from '../../src/config/config.ts'
import { startBroker } from '../guard/stand-in.ts'
import { createRig, ISSUER, TENANT } from '../rig.ts'
import { signalsOf } from './signals-of.ts'

/**
 * Postgres takes no NUL character (U+0000) in a text: what a sender or a receiver of signals names
 * by one is not known.
 */

const OID = '00000000-0000-4000-8000-00000000a11c'
const SESSION_REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const FRONT_CHANNEL = `${ISSUER}/signal/microsoft/front-channel-logout`

async function world(changes: Pick<SignalIssuer, 'kind' | 'subject'>) {
  const transmitter = await startBroker()
  const { issuer } = transmitter
  const signalIssuer: SignalIssuer = {
    issuer,
    jwksUri: `${issuer}/jwks`,
    audience: ISSUER,
    tenants: [TENANT],
    ...changes,
  }
  return { rig: await createRig({ config: { signals: signalsOf([signalIssuer]) } }), transmitter }
}

test.each<[SignalIssuer['subject'], Record<string, unknown>]>([
  ['opaque', { format: 'opaque', id: 'u_\0' }],
  ['iss_sub', { format: 'iss_sub', iss: ISSUER, sub: 'u_\0' }],
  ['tid_oid', { format: 'tid_oid', tid: TENANT, oid: `${OID}\0` }],
  ['tid_oid', { format: 'complex', session: { format: 'opaque', id: 's_\0' } }],
])('a security event is accepted and ends nothing: %s, %j', async (subject, identifier) => {
  const { rig, transmitter } = await world({ kind: 'secevent', subject })
  const claims = {
    aud: ISSUER,
    exp: undefined,
    rev: undefined,
    sid: undefined,
    events: { [SESSION_REVOKED]: {} },
    sub_id: identifier,
  }
  const body = await transmitter.logoutToken(claims, { typ: 'secevent+jwt' }, transmitter.keys[0])
  const headers = { 'content-type': 'application/secevent+jwt' }
  expect(
    (await rig.app.request(`${ISSUER}/signal/events`, { method: 'POST', headers, body })).status,
  ).toBe(202)
  expect((await rig.store.head()).seq).toBe(0)
})

test.each([{ sid: 'm-\0' }, { sid: undefined, sub: `${OID}\0` }])(
  'an upstream logout token is accepted and ends nothing: %j',
  async (names) => {
    const { rig, transmitter } = await world({ kind: 'oidc', subject: 'tid_oid' })
    const token = await transmitter.logoutToken({ aud: ISSUER, rev: undefined, ...names })
    expect(
      (await rig.post('/signal/upstream/back-channel-logout', { logout_token: token })).status,
    ).toBe(200)
    expect((await rig.store.head()).seq).toBe(0)
  },
)

test('a receiver of Shared Signals has no stream of such an id', async () => {
  const rig = await createRig()
  const client = await rig.register('Sydney', {
    grants: ['authorization_code', 'client_credentials'],
    scopes: ['openid', 'ssf.read'],
  })
  const token = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope: 'ssf.read' },
    { authorization: client.basic },
  )
  const { access_token: bearer } = (await token.json()) as { access_token: string }
  const answer = await rig.app.request(`${ISSUER}/ssf/streams?stream_id=st_%00`, {
    headers: { authorization: `Bearer ${bearer}` },
  })
  expect(answer.status).toBe(404)
})

test('a front-channel logout gets the answer that every other gets', async () => {
  const rig = await createRig()
  const [usual, odd] = await Promise.all(
    ['m-1', 'm-%00'].map(async (sid) => rig.app.request(`${FRONT_CHANNEL}?sid=${sid}`)),
  )
  expect([odd?.status, await odd?.text()]).toEqual([200, await usual?.text()])
})

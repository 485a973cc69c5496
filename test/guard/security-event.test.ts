import { describe, expect, test } from 'vitest'
import {
  completeClock,
  KeySet,
  KeysUnavailable,
  verifyLogoutToken,
  verifySecurityEvent,
} from '@case-manager/guard'
import { makeKey, startBroker, type Broker } from './stand-in.ts'

const REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'

async function transmitter(): Promise<{
  broker: Broker
  verify: (token: string, extra?: object) => ReturnType<typeof verifySecurityEvent>
}> {
  const broker = await startBroker()
  const keys = new KeySet({
    uri: `${broker.issuer}/jwks`,
    fetch,
    clock: completeClock(broker.clock),
  })
  const expected = () => ({
    issuer: broker.issuer,
    audience: 'https://broker.example/events',
    now: broker.clock.now,
    toleranceSeconds: 60,
  })
  return {
    broker,
    verify: (token, extra = {}) => verifySecurityEvent(token, keys, { ...expected(), ...extra }),
  }
}

const set = (
  broker: Broker,
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key = broker.keys[0],
) =>
  broker.logoutToken(
    {
      aud: 'https://broker.example/events',
      exp: undefined,
      rev: undefined,
      sid: undefined,
      events: { [REVOKED]: { reason: 'x' } },
      ...claims,
    },
    { typ: 'secevent+jwt', ...header },
    key,
  )

describe('verifying a security event token (RFC 8417, RFC 8935 §2.4)', () => {
  test('a valid one, of several events, however old unless limited', async () => {
    const { broker, verify } = await transmitter()
    const token = await set(broker, {
      jti: 'j',
      iat: broker.clock.now - 5000,
      events: { [REVOKED]: {}, 'urn:other': {} },
    })
    expect(await verify(token)).toMatchObject({
      ok: true,
      claims: { jti: 'j', events: { [REVOKED]: {} } },
    })
    expect(await verify(token, { maxAgeSeconds: 600 })).toMatchObject({
      ok: false,
      error: 'invalid_request',
    })
  })

  test.each<[string, string, Record<string, unknown>, Record<string, unknown>]>([
    ['of another issuer', 'invalid_issuer', { iss: 'https://other.example' }, {}],
    ['for another audience', 'invalid_audience', { aud: 'other' }, {}],
    ['without jti', 'invalid_request', { jti: undefined }, {}],
    ['whose jti is empty', 'invalid_request', { jti: '' }, {}],
    ['without iat', 'invalid_request', { iat: undefined }, {}],
    ['from the future', 'invalid_request', { iat: 1_795_510_861 }, {}],
    ['without events', 'invalid_request', { events: {} }, {}],
    ['whose events are a list', 'invalid_request', { events: [{}] }, {}],
    ['whose event is no object', 'invalid_request', { events: { [REVOKED]: 1 } }, {}],
    ['of another typ', 'invalid_request', {}, { typ: 'logout+jwt' }],
    ['without typ', 'invalid_request', {}, { typ: undefined }],
  ])('one %s is rejected: %s', async (_, error, claims, header) => {
    const { broker, verify } = await transmitter()
    expect(await verify(await set(broker, claims, header))).toMatchObject({
      ok: false,
      error,
      certain: true,
    })
  })

  test('one with a foreign signature is rejected, and one of an algorithm that was not agreed', async () => {
    const { broker, verify } = await transmitter()
    expect(await verify(await set(broker, {}, {}, await makeKey('es-1')))).toMatchObject({
      error: 'invalid_key',
    })
    expect(await verify(await set(broker), { algorithms: ['RS256'] })).toMatchObject({
      error: 'invalid_key',
    })
  })

  test('where the keys cannot be read, it says nothing of the token', async () => {
    const { broker, verify } = await transmitter()
    broker.broken['/jwks'] = 503
    await expect(verify(await set(broker))).rejects.toThrow(KeysUnavailable)
  })

  test('a JWKS without alg serves too, as Microsoft publishes it', async () => {
    const { broker, verify } = await transmitter()
    const rsa = await makeKey('ms', 'RS256')
    broker.keys = [
      {
        ...rsa,
        jwk: { kty: 'RSA', n: rsa.jwk.n ?? '', e: rsa.jwk.e ?? '', kid: 'ms', use: 'sig' },
      },
    ]
    expect(await verify(await set(broker, {}, {}, rsa))).toMatchObject({ ok: true })
  })

  test('logout tokens of any issuer are verified by the same code', async () => {
    const { broker } = await transmitter()
    const keys = new KeySet({
      uri: `${broker.issuer}/jwks`,
      fetch,
      clock: completeClock(broker.clock),
    })
    const expected = {
      issuer: broker.issuer,
      clientId: 'sydney',
      now: broker.clock.now,
      toleranceSeconds: 60,
      maxAgeSeconds: 600,
    }
    expect(
      await verifyLogoutToken(await broker.logoutToken({ rev: undefined }), keys, expected),
    ).toMatchObject({ ok: true, claims: { sid: 's_1' } })
    expect(
      await verifyLogoutToken(await broker.logoutToken({ nonce: 'x' }), keys, expected),
    ).toMatchObject({ ok: false, certain: true })
  })
})

import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Guard, GuardOptions, Logout } from '@case-manager/guard'
import { REASON_CLASSES } from '../../guard/src/selector.ts'
import { Once } from '../../guard/src/logout-receiver.ts'
import {
  LOGOUT_EVENT,
  eventually,
  logoutRequest,
  makeKey,
  startBroker,
  startGuard,
  why,
  type Broker,
} from './stand-in.ts'

async function receiver(
  options: Partial<GuardOptions> = {},
): Promise<{ broker: Broker; guard: Guard; ended: Logout[] }> {
  const broker = await startBroker()
  const ended: Logout[] = []
  const guard = await startGuard(broker, {
    onLogout: (logout) => void ended.push(logout),
    ...options,
  })
  return { broker, guard, ended }
}

async function rejected(response: Response): Promise<void> {
  expect(response.status).toBe(400)
  expect(response.headers.get('cache-control')).toBe('no-store')
  expect(await response.json()).toMatchObject({ error: 'invalid_request' })
}

describe('receiving a logout token (Back-Channel Logout 1.0 §2.5, §2.6, §2.8)', () => {
  test('a valid one ends the session it names: 200, not to be cached', async () => {
    const { broker, guard, ended } = await receiver()
    const response = await guard.receiveLogout(
      logoutRequest(await broker.logoutToken({ jti: 'j1' })),
    )
    expect([response.status, response.headers.get('cache-control'), await response.text()]).toEqual(
      [200, 'no-store', ''],
    )
    expect(ended).toEqual([{ sid: 's_1', rev: 100, jti: 'j1' }])
    expect(guard.status().counters.logout).toEqual({
      received: 1,
      ended: 1,
      rejected: 0,
      replayed: 0,
      failed: 0,
    })
  })

  test('with sub alone it names all sessions of a user; without typ it is accepted; others of another issuer need no rev', async () => {
    const { broker, guard, ended } = await receiver()
    const token = await broker.logoutToken(
      { jti: 'j2', sid: undefined, sub: 'u_alice', rev: undefined },
      { typ: undefined },
    )
    expect((await guard.receiveLogout(logoutRequest(token))).status).toBe(200)
    expect(ended).toEqual([{ sub: 'u_alice', jti: 'j2' }])
  })

  test('gives onLogout the reason, where it is one that the guard knows; an unknown reason does not keep a session open', async () => {
    const { broker, guard, ended } = await receiver()
    for (const [jti, reason_class] of [...REASON_CLASSES, 'burned', 7].map(
      (reasonClass, index) => [`r${index}`, reasonClass] as const,
    ))
      expect(
        (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ jti, reason_class }))))
          .status,
      ).toBe(200)
    expect(ended.map(({ reasonClass }) => reasonClass)).toEqual([
      ...REASON_CLASSES,
      undefined,
      undefined,
    ])
  })

  test('RS256; several audiences of which we are one; an event value with members; other form parameters: accepted', async () => {
    const { broker, guard } = await receiver()
    const token = await broker.logoutToken({
      aud: ['melbourne', 'sydney'],
      events: { [LOGOUT_EVENT]: { more: 1 } },
    })
    const body = new URLSearchParams({ logout_token: token, other: 'x' }).toString()
    expect((await guard.receiveLogout(logoutRequest(undefined, { body }))).status).toBe(200)
  })

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['no event', { events: {} }, {}],
    ['no events at all', { events: undefined }, {}],
    ['a wrong event', { events: { 'http://schemas.openid.net/event/other': {} } }, {}],
    ['a second event', { events: { [LOGOUT_EVENT]: {}, other: {} } }, {}],
    ['an event whose value is no object', { events: { [LOGOUT_EVENT]: true } }, {}],
    ['events that are a list', { events: [LOGOUT_EVENT] }, {}],
    ['a nonce', { nonce: 'n' }, {}],
    ['a nonce that is null', { nonce: null }, {}],
    ['a wrong aud', { aud: 'melbourne' }, {}],
    ['no aud', { aud: undefined }, {}],
    ['a wrong iss', { iss: 'https://other.example' }, {}],
    ['no iss', { iss: undefined }, {}],
    ['no iat', { iat: undefined }, {}],
    ['no exp', { exp: undefined }, {}],
    ['no jti', { jti: undefined }, {}],
    ['an empty jti', { jti: '' }, {}],
    ['a jti that is no string', { jti: 7 }, {}],
    ['neither sid nor sub', { sid: undefined }, {}],
    ['a sid that is no string', { sid: { s: 1 } }, {}],
    ['a sub that is no string', { sub: 7 }, {}],
    ['a rev that is no number', { rev: 'soon' }, {}],
    ['the typ of an access token', {}, { typ: 'at+jwt' }],
    ['the typ of an ID token', {}, { typ: 'JWT' }],
    ['no kid', {}, { kid: undefined }],
  ])('one with %s is rejected: 400 invalid_request', async (_, claims, header) => {
    const { broker, guard, ended } = await receiver()
    await rejected(
      await guard.receiveLogout(logoutRequest(await broker.logoutToken(claims, header))),
    )
    expect(ended).toEqual([])
    expect(guard.status().counters.logout.rejected).toBe(1)
  })

  test.each([
    ['an iat in the future', { iat: 1_795_510_806 }],
    ['an nbf in the future', { nbf: 1_795_510_806 }],
    ['an iat long ago', { iat: 1_795_510_800 - 606 }],
    ['an exp in the past', { exp: 1_795_510_794 }],
  ])(
    'one with %s, and nothing else against it, is to be sent again: 503, because a clock may be wrong and 400 is final',
    async (_, claims) => {
      const problems: string[] = []
      const { broker, guard, ended } = await receiver({
        hooks: { problem: ({ message }) => problems.push(message) },
      })
      const response = await guard.receiveLogout(logoutRequest(await broker.logoutToken(claims)))
      expect([
        response.status,
        response.headers.get('retry-after'),
        response.headers.get('cache-control'),
      ]).toEqual([503, '1', 'no-store'])
      expect(await response.json()).toMatchObject({
        error: 'temporarily_unavailable',
        error_description: expect.stringMatching(/\d/) as string,
      })
      expect(problems.at(-1)).toContain('A logout token was not accepted. It')
      expect(ended).toEqual([])
      // A token that is wrong in more than its time is rejected for good.
      await rejected(
        await guard.receiveLogout(
          logoutRequest(await broker.logoutToken({ ...claims, aud: 'melbourne' })),
        ),
      )
    },
  )

  test('the algorithm is the one this client is registered with (§2.6), though the same JWKS has a key of another', async () => {
    const { broker, guard, ended } = await receiver()
    await rejected(
      await guard.receiveLogout(logoutRequest(await broker.logoutToken({}, {}, broker.keys[0]))),
    )
    expect(ended).toEqual([])
    const other = await startGuard(broker, {
      idTokenSignedResponseAlg: 'ES256',
      onLogout: (logout) => void ended.push(logout),
    })
    expect(
      (await other.receiveLogout(logoutRequest(await broker.logoutToken({}, {}, broker.keys[0]))))
        .status,
    ).toBe(200)
    await rejected(await other.receiveLogout(logoutRequest(await broker.logoutToken())))
    expect(ended).toHaveLength(1)
    await expect(
      startGuard(broker, { idTokenSignedResponseAlg: 'HS256' as 'RS256' }),
    ).rejects.toThrow('idTokenSignedResponseAlg: RS256 or ES256')
  })

  test('alg none, a wrong alg, and a foreign key are rejected', async () => {
    const { broker, guard, ended } = await receiver()
    const { now } = broker.clock
    const claims = {
      iss: broker.issuer,
      aud: 'sydney',
      iat: now,
      exp: now + 120,
      jti: 'j',
      sid: 's_1',
      events: { [LOGOUT_EVENT]: {} },
    }
    const none = new UnsecuredJWT(claims).encode()
    const symmetric = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt', kid: 'rs-1' })
      .sign(new TextEncoder().encode('a secret: with / and %'.padEnd(32)))
    const foreign = await broker.logoutToken({}, {}, await makeKey('rs-1', 'RS256'))
    for (const token of [none, symmetric, foreign])
      await rejected(await guard.receiveLogout(logoutRequest(token)))
    expect(ended).toEqual([])
  })

  test('an access token and an ID token are not logout tokens', async () => {
    const { broker, guard } = await receiver()
    await rejected(await guard.receiveLogout(logoutRequest(await broker.token({ aud: 'sydney' }))))
    for (const key of broker.keys)
      await rejected(
        await guard.receiveLogout(
          logoutRequest(await broker.token({ aud: 'sydney' }, { typ: undefined }, key)),
        ),
      )
    // The token is signed by the client's own algorithm, and is otherwise an ID token.
    await rejected(
      await guard.receiveLogout(
        logoutRequest(
          await broker.token({ aud: 'sydney', nonce: 'n' }, { typ: 'JWT' }, broker.keys[1]),
        ),
      ),
    )
  })

  test('a logout token and an ID token are not access tokens', async () => {
    const { broker, guard } = await receiver()
    const claims = { aud: 'https://sydney.example', sub: 'u_alice', client_id: 'sydney' }
    // The token is signed by the key of access tokens: another algorithm is rejected before the
    // type is read.
    const [key] = broker.keys
    for (const header of [{}, { typ: 'JWT' }, { typ: undefined }])
      expect(await why(guard, await broker.logoutToken(claims, header, key))).toBe('type')
  })

  test.each([
    '',
    'logout_token=',
    'logout_token=x',
    'logout_token=a.b.c',
    'other=x',
    'logout_token=a.b.c&logout_token=d.e.f',
  ])('the body %j is rejected', async (body) => {
    const { guard } = await receiver()
    await rejected(await guard.receiveLogout(logoutRequest(undefined, { body })))
  })

  test('only POST (405), only a form (415), and no more than 16 KiB (413)', async () => {
    const { guard } = await receiver()
    const url = 'http://localhost/oidc/backchannel-logout'
    const get = await guard.receiveLogout(new Request(url))
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    expect(
      (
        await guard.receiveLogout(
          new Request(url, {
            method: 'POST',
            body: '{}',
            headers: { 'content-type': 'application/json' },
          }),
        )
      ).status,
    ).toBe(415)
    expect((await guard.receiveLogout(logoutRequest('x'.repeat(17_000)))).status).toBe(413)
    expect(guard.status().counters.logout).toMatchObject({ received: 3, rejected: 3 })
  })

  test('where the keys cannot be read the broker is to send it again: 503, for 400 would be final', async () => {
    const broker = await startBroker()
    broker.broken['/jwks'] = 500
    const guard = await startGuard(broker, { onLogout: () => {} })
    const response = await guard.receiveLogout(logoutRequest(await broker.logoutToken()))
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1'])
  })

  test('an unknown key that the broker cannot be asked for yet: 503; when it has been asked: 400', async () => {
    const { broker, guard } = await receiver()
    const next = await makeKey('rs-2', 'RS256')
    const token = await broker.logoutToken({}, {}, next)
    expect((await guard.receiveLogout(logoutRequest(token))).status).toBe(503)
    broker.clock.advance(6)
    await rejected(await guard.receiveLogout(logoutRequest(token)))
    broker.keys.push(next)
    broker.clock.advance(6)
    expect((await guard.receiveLogout(logoutRequest(token))).status).toBe(200)
  })
})

describe('where no session of the instance can be ended', () => {
  test('without onLogout and without a listener it is not answered 200: 503, and said', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const token = await broker.token()
    const response = await guard.receiveLogout(
      logoutRequest(await broker.logoutToken({ rev: 101 })),
    )
    expect(response.status).toBe(503)
    expect(guard.status().counters.logout).toMatchObject({ ended: 0, failed: 1 })
    expect(guard.status().lastProblem?.message).toContain(
      'neither onLogout nor a listener of onRevocation',
    )
    // The access tokens of the session are rejected all the same.
    expect(await why(guard, token)).toBe('revoked')
  })

  test('is answered 503 until the listener of onRevocation has ended the session', async () => {
    const { broker, guard } = await receiver({ onLogout: undefined, hooks: { problem: () => {} } })
    let fails = true
    guard.onRevocation(async () => {
      await Promise.resolve()
      if (fails) throw new Error('the store is down')
    })
    const statusOf = async (jti: string): Promise<number> =>
      (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ jti })))).status
    expect([await statusOf('j1'), await statusOf('j2')]).toEqual([503, 503])
    fails = false
    await eventually(async () => {
      broker.clock.advance(1)
      expect(await statusOf(crypto.randomUUID())).toBe(200)
    })
  })

  test('a listener of onRevocation is enough, where the token says rev', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const heard: number[] = []
    guard.onRevocation(({ seq }) => heard.push(seq))
    expect(
      (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ rev: 101 })))).status,
    ).toBe(200)
    expect(heard).toEqual([101])
    expect(
      (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ rev: undefined }))))
        .status,
    ).toBe(503)
  })
})

describe('the jti of a logout token is valid once', () => {
  test('a replay is rejected', async () => {
    const { broker, guard, ended } = await receiver()
    const token = await broker.logoutToken()
    expect((await guard.receiveLogout(logoutRequest(token))).status).toBe(200)
    await rejected(await guard.receiveLogout(logoutRequest(token)))
    expect(ended).toHaveLength(1)
    expect(guard.status().counters.logout.replayed).toBe(1)
  })

  test('it is burned only after the sink has succeeded: 503 while it fails, then the same token is taken', async () => {
    let broken = true
    const problems: Error[] = []
    const { broker, guard, ended } = await receiver({
      onLogout: async (logout) => {
        if (broken) throw new Error('the database is down')
        ended.push(logout)
      },
      hooks: { problem: (error) => problems.push(error) },
    })
    const token = await broker.logoutToken()
    const response = await guard.receiveLogout(logoutRequest(token))
    expect([
      response.status,
      response.headers.get('cache-control'),
      response.headers.get('retry-after'),
    ]).toEqual([503, 'no-store', '1'])
    expect(await response.text()).not.toContain('database')
    expect(problems.at(-1)?.cause).toEqual(new Error('the database is down'))
    broken = false
    expect((await guard.receiveLogout(logoutRequest(token))).status).toBe(200)
    expect(ended).toHaveLength(1)
    await rejected(await guard.receiveLogout(logoutRequest(token)))
  })

  test('several at once: the sink runs once, and all get its outcome', async () => {
    const once = new Once(10)
    let calls = 0
    const thrice = (act: () => Promise<void>) =>
      Promise.allSettled(
        [1, 2, 3].map(() => once.run('j', 0, 10, async () => (calls++, await act()))),
      )
    const failed = await thrice(() => Promise.reject(new Error('the database is down')))
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(calls).toBe(1)
    expect(await thrice(() => Promise.resolve())).toMatchObject([
      { value: 'done' },
      { value: 'done_before' },
      { value: 'done_before' },
    ])
    expect(calls).toBe(2)
  })
})

describe('a logout token with rev is a revocation like any other', () => {
  test('its session is rejected at once, also where the feed is down; newer sessions are spared', async () => {
    const { broker, guard } = await receiver()
    const delivered: unknown[] = []
    guard.onRevocation(({ selector, seq }) => delivered.push([selector, seq]))
    broker.broken['/revocations'] = 503
    broker.cut()
    const token = await broker.token()
    expect(await why(guard, token)).toBe('good')
    await guard.receiveLogout(logoutRequest(await broker.logoutToken({ rev: 101 })))
    expect(await why(guard, token)).toBe('revoked')
    expect(await why(guard, await broker.token({ rev: 101 }))).toBe('good')
    expect(await why(guard, await broker.token({ sid: 's_2' }))).toBe('good')
    expect(delivered).toEqual([[{ kind: 'session', sid: 's_1' }, 101]])
    // The guard does not have the log up to there.
    expect(guard.status().enforcedSeq).toBe(100)
  })

  test('a late one, about an earlier logout, ends nothing that is newer and is not reported as new', async () => {
    const { broker, guard } = await receiver()
    const delivered: unknown[] = []
    guard.onRevocation(({ seq }) => delivered.push(seq))
    const seq = broker.revoke({ kind: 'subject', sub: 'u_alice' })
    await eventually(() => expect(guard.status().enforcedSeq).toBe(seq))
    const again = await broker.token({ rev: seq })
    const late = await broker.logoutToken({ sid: undefined, sub: 'u_alice', rev: seq })
    expect((await guard.receiveLogout(logoutRequest(late))).status).toBe(200)
    expect(await why(guard, again)).toBe('good')
    expect(delivered).toEqual([seq])
  })

  test('it counts although the sink fails: the tokens are rejected, the cookies are ended when it comes again', async () => {
    const { broker, guard } = await receiver({ onLogout: () => Promise.reject(new Error('no')) })
    const token = await broker.token()
    expect(
      (await guard.receiveLogout(logoutRequest(await broker.logoutToken({ rev: 101 })))).status,
    ).toBe(503)
    expect(await why(guard, token)).toBe('revoked')
  })
})

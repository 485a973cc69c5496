import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { eventually } from '../stand-in.ts'
import { ath, createProver } from '../../token/proofs.ts'
import { PYTHON, startBrokerOfToday, startProgram } from './python-program.ts'

/** The middlewares of the guard for Python, in front of an application. */

const PROGRAM = new URL('python-application.py', import.meta.url).pathname
const PACKAGE = new URL('../../../guard-python/', import.meta.url).pathname

interface Answer {
  status?: number
  type?: string
  headers?: Record<string, string>
  body?: string
  revoked?: boolean
  first?: number
  last?: number
}

async function application(options: object = {}) {
  const broker = await startBrokerOfToday()
  const isEvent = (message: Answer): boolean => message.revoked !== undefined
  const { ask, events, logged } = startProgram<Answer>(PROGRAM, broker, options, isEvent)
  const revoked = () => events.map((message) => message.revoked)
  return { broker, ask, revoked, logged, authorization: `Bearer ${await broker.token()}` }
}

describe.skipIf(PYTHON === undefined)('the middlewares of the guard for Python', () => {
  test.each(['wsgi', 'asgi'])(
    '%s: a request needs a valid token, but for public paths',
    async (by) => {
      const { broker, ask, revoked, authorization } = await application()
      await eventually(async () =>
        expect(await ask({ by, path: '/', authorization })).toMatchObject({
          status: 200,
          body: 'u_alice',
        }),
      )
      expect(await ask({ by, path: '/' })).toMatchObject({
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="Case Manager"' },
      })
      for (const wrong of ['Basic eA==', 'Bearer', 'Bearer a b', `${authorization}x`])
        expect((await ask({ by, path: '/', authorization: wrong })).status).toBe(401)
      expect(await ask({ by, path: '/open' })).toMatchObject({ status: 200, body: 'None' })
      expect(await ask({ by, path: '/assets/a.css' })).toMatchObject({ status: 200 })
      for (const path of ['/open/more', '/assets', '/opened'])
        expect((await ask({ by, path })).status).toBe(401)
      expect((await ask({ by, path: '/logout' })).status).toBe(405)
      broker.revoke({ kind: 'session', sid: 's_1' })
      await eventually(async () =>
        expect((await ask({ by, path: '/', authorization })).status).toBe(401),
      )
      // The answer may come before the call of on_revocation.
      await eventually(() => expect(revoked()).toEqual([true]))
    },
  )

  test.each(['wsgi', 'asgi'])('%s: / as a public path is the home page alone', async (by) => {
    const { ask } = await application({ public: ['/'] })
    expect(await ask({ by, path: '/' })).toMatchObject({ status: 200 })
    for (const path of ['/api/cases', '/open', '//'])
      expect([path, (await ask({ by, path })).status]).toEqual([path, 401])
  })

  test.each(['wsgi', 'asgi'])(
    '%s: a token that is bound to a key needs a proof for this request (RFC 9449 §7.1)',
    async (by) => {
      const { broker, ask } = await application({ public_address: 'https://cases.example/v1' })
      const algs = 'algs="ES256 PS256 EdDSA"'
      const key = await createProver({ now: () => broker.clock.now })
      const token = await broker.token({ cnf: { jkt: key.jkt } })
      const prove = (htu = 'https://cases.example/v1/a%20b') =>
        key.prove('GET', { htu, ...ath(token) })
      const send = (proofs: string[], scheme = 'DPoP') =>
        ask({ by, path: '/a b', authorization: `${scheme} ${token}`, proofs })
      const challenge = async (answer: Promise<Answer>) => {
        const { status, headers } = await answer
        return [status, headers?.['www-authenticate']]
      }
      const used = await prove()
      await eventually(async () => expect((await send([await prove()])).status).toBe(200))
      expect((await send([used])).status).toBe(200)
      const others = [await prove('https://cases.example/a%20b'), await prove('https://x/v1/a%20b')]
      for (const proofs of [
        [],
        [used],
        [await prove(), await prove()],
        ...others.map((other) => [other]),
      ])
        expect(await challenge(send(proofs))).toEqual([
          401,
          expect.stringMatching(
            /^DPoP realm="Case Manager", error="invalid_dpop_proof", error_description="[^"]+", algs="ES256 PS256 EdDSA"$/,
          ),
        ])
      expect(await challenge(send([await prove()], 'Bearer'))).toEqual([
        401,
        `DPoP realm="Case Manager", error="invalid_token", error_description="It is bound to a key: send it with the scheme DPoP and a proof.", ${algs}`,
      ])
      expect(await challenge(ask({ by, path: '/' }))).toEqual([
        401,
        `Bearer realm="Case Manager", DPoP realm="Case Manager", ${algs}`,
      ])
    },
  )

  test('a bound token is rejected where the guard has no public address', async () => {
    const { broker, ask, authorization } = await application()
    await eventually(async () =>
      expect((await ask({ by: 'wsgi', path: '/', authorization })).status).toBe(200),
    )
    const key = await createProver({ now: () => broker.clock.now })
    const token = await broker.token({ cnf: { jkt: key.jkt } })
    const proofs = [await key.prove('GET', { htu: 'https://cases.example/', ...ath(token) })]
    for (const scheme of ['DPoP', 'Bearer'])
      expect(
        (await ask({ by: 'wsgi', path: '/', authorization: `${scheme} ${token}`, proofs })).status,
      ).toBe(401)
  })

  test('remembers proofs as long as their iat is accepted, and no more than it may', () => {
    expect(printed('proofs')).toMatchObject({
      setBack: ['first', 'used', 'first', 'used', 'first'],
      bounded: ['first', 'first', 'full', 'used', 'first'],
    })
  })

  test('compares addresses in their normal form, and takes only safe ones for its own', () => {
    expect(printed('proofs')).toMatchObject({
      same: [true, true],
      other: [false, false, false],
      wrong: [true, true, true, true, true],
      right: [null, null, null],
    })
  })

  test('a wrong secret is named in the log', async () => {
    const { logged } = await application({ client_secret: 'wrong' })
    await eventually(() =>
      expect(logged()).toContain('401: the broker rejects the client_id, or its secret or key'),
    )
  })

  test('a WebSocket without a valid token is closed before it is accepted', async () => {
    const { ask, authorization } = await application()
    const open = (more: object) => ask({ by: 'asgi', type: 'websocket', path: '/', ...more })
    await eventually(async () =>
      expect((await open({ authorization })).type).toBe('websocket.accept'),
    )
    expect((await open({})).type).toBe('websocket.close')
  })

  test('a forked process accepts nothing before it has reached the broker itself', async () => {
    const { ask, authorization } = await application()
    await eventually(async () =>
      expect((await ask({ by: 'wsgi', path: '/', authorization })).status).toBe(200),
    )
    expect(await ask({ by: 'child', authorization })).toEqual({ first: 503, last: 200 })
  })

  const output = new Map<string, string>()
  /** Returns what a program prints. It runs once for all tests of this file. */
  const printed = (program: string): unknown => {
    const file = PROGRAM.replace('application', program)
    const json = output.get(program) ?? execFileSync(PYTHON ?? '', [file], { encoding: 'utf8' })
    output.set(program, json)
    return JSON.parse(json)
  }

  test('sends the token of its workload, which it reads again for each request, in place of a secret', () => {
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    expect(printed('credentials')).toEqual({
      sent: ['first', 'second'].map((client_assertion) => ({
        client_assertion_type: type,
        client_assertion,
      })),
      headers: {},
      problem: 'give one of client_secret, client_key and client_assertion',
    })
  })

  test('forgets the entries that have ended, also on a stream that stays open', () => {
    expect(printed('ledger')).toMatchObject({ sizes: [100, 100, 0] })
  })

  test('keeps of each selector the highest seq and the highest session_exp, in any order', () => {
    expect(printed('ledger')).toMatchObject({ highest: { 1: [true, false], '-1': [true, false] } })
  })

  test('asks about the sessions of what it had to forget, for as long as one of them may last', () => {
    expect(printed('ledger')).toMatchObject({ cutoff: { isBounded: true, from: [90, 90, 3] } })
  })

  test('knows what is of any former log, also after a clock was ahead for a while', () => {
    expect(printed('ledger')).toMatchObject({
      former: { is: [true, false, true, false, false], afterAClockWasAhead: true },
    })
  })

  test('takes for a token of a former log none of the second in which the new log began', () => {
    expect(printed('ledger')).toMatchObject({ turnedAt: [true, false] })
  })

  test('takes no answer that a doubt about the log has overtaken, and asks again', () => {
    expect(printed('overtaken')).toMatchObject({
      polled: [
        { asked: [null], ready: true },
        {
          asked: [
            ['e', 36],
            ['e', 100],
          ],
          ready: true,
        },
        { asked: [['e', 36], null], ready: true },
      ],
    })
  })

  test('accepts nothing after it was stopped, a token that is being checked included', () => {
    expect(printed('overtaken')).toMatchObject({ stopped: [503, 'unknown'] })
  })

  test('believes no answer about a session that was asked for before another log began', () => {
    expect(printed('overtaken')).toMatchObject({ shared: [2, 'unknown', 40] })
  })

  test('answers 200 to a logout token only where the application can end the session', () => {
    expect(printed('overtaken')).toMatchObject({
      logouts: {
        nothing: 503,
        onLogout: 200,
        onRevocation: 200,
        onRevocationThatFails: 503,
        onRevocationWithoutRev: 503,
      },
      told: 1,
    })
  })

  test('holds no lease of which another thread saw that the clock went back', () => {
    expect(printed('overtaken')).toMatchObject({ jumped: false })
  })

  test('connects at once for a rev that is new in this log, and not for each token that has it', () => {
    expect(printed('overtaken')).toMatchObject({ hurried: [true, false, false, true, true] })
  })

  test('accepts nothing from the moment at which it cannot read an event', () => {
    expect(printed('ledger')).toMatchObject({ unreadable: [false, false, false, false] })
  })

  test('reads the keys once for tokens of a new key that come at the same time, and knows it for each', () => {
    expect(printed('ledger')).toMatchObject({
      keys: { reads: 1, found: [true, true, true, true] },
    })
  })

  test('learns no time from an answer during which the machine slept', () => {
    expect(printed('overtaken')).toMatchObject({ slept: [true, true] })
  })

  test('is typed: mypy --strict finds nothing', { timeout: 120_000 }, () => {
    const said = execFileSync(PYTHON ?? '', ['-m', 'mypy', '--cache-dir=/dev/null'], {
      cwd: PACKAGE,
      encoding: 'utf8',
    })
    expect(said).toMatch(/^Success/)
  })
})

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { exportJWK } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { requireToken } from '@case-manager/guard/express'
import { UsedProofs } from '../../guard/src/proofs.ts'
import { ath, createProver } from '../token/proofs.ts'
import { ask, startServe } from './serve/rig.ts'
import { startBroker, startGuard, TestClock, type Broker } from './stand-in.ts'

/** Tokens that are bound to a key (DPoP, RFC 9449), at an API behind the guard. */

const API = 'https://cases.example'

interface Api {
  broker: Broker
  /** Sends `POST /api/cases?page=1` with these headers, names and values alternating. */
  send(headers: string[]): Promise<[status: number, challenge: string]>
}

/** An API of Express, behind a router that cuts its path. */
async function withExpress(at?: Broker): Promise<Api> {
  const broker = at ?? (await startBroker())
  const guard = await startGuard(broker, { publicAddress: API })
  const app = express()
  app.use('/api', requireToken(guard), (_request, response) => void response.end())
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    broker,
    send: async (headers) => {
      const at = { method: 'POST', path: '/api/cases?page=1' }
      const answer = await ask(address, ['Host', 'internal', ...headers], at)
      return [answer.status, answer.headers['www-authenticate'] ?? '']
    },
  }
}

/** A proxy that asks `guard serve` by a subrequest about the user's request. */
async function withServe(): Promise<Api> {
  const { broker, check } = await startServe({
    public_address: `${API},https://other.example`,
  })
  return {
    broker,
    send: async (headers) => {
      const answer = await check({ method: 'POST', uri: '/api/cases?page=1', headers })
      return [answer.status, answer.headers['www-authenticate'] ?? '']
    },
  }
}

const APIS = [
  ['an API behind requireToken', () => withExpress()],
  ['an API behind guard serve', withServe],
] as const

const proverOf = ({ clock }: Broker, alg?: string) => createProver({ now: () => clock.now }, alg)

async function bound(open: () => Promise<Api>, alg = 'ES256') {
  const { broker, send } = await open()
  const key = await proverOf(broker, alg)
  const token = await broker.token({ cnf: { jkt: key.jkt } })
  const prove = (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    key.prove('POST', { htu: `${API}/api/cases`, ...ath(token), ...changes }, header)
  const call = (proofs: string[], { scheme = 'DPoP', by = token } = {}) =>
    send(['Authorization', `${scheme} ${by}`, ...proofs.flatMap((proof) => ['DPoP', proof])])
  return { broker, call, key, prove, send, token }
}

const ALGS = 'algs="ES256 PS256 EdDSA"'

describe.each(APIS)('%s (RFC 9449 §7.1)', (_name, open) => {
  test.each(['ES256', 'PS256', 'EdDSA'])(
    'accepts a bound token with a new proof by its key, by %s',
    async (alg) => {
      const { call, prove } = await bound(open, alg)
      expect(await call([await prove()])).toEqual([200, ''])
      expect(await call([await prove()], { scheme: 'dpop' })).toEqual([200, ''])
    },
  )

  test('rejects a proof that is not one for this request (§4.3)', async () => {
    const { broker, call, key, prove, token } = await bound(open)
    const other = await proverOf(broker)
    const { now } = broker.clock
    const target = { htu: `${API}/api/cases`, ...ath(token) }
    const wrong: Record<string, string[]> = {
      'no proof': [],
      'two proofs': [await prove(), await prove()],
      'two in one header': [`${await prove()}, ${await prove()}`],
      'no JWT': ['proof'],
      'another key': [await other.prove('POST', target)],
      'another method': [await prove({ htm: 'GET' })],
      'a method in lower case': [await prove({ htm: 'post' })],
      'another path': [await prove({ htu: `${API}/api/case` })],
      'another host': [await prove({ htu: 'https://other.example/api/cases' })],
      'the host of the server': [await prove({ htu: 'https://internal/api/cases' })],
      'another scheme': [await prove({ htu: 'http://cases.example/api/cases' })],
      'an address with a user': [await prove({ htu: 'https://user@cases.example/api/cases' })],
      'no htu': [await prove({ htu: undefined })],
      'no htm': [await prove({ htm: undefined })],
      'no ath': [await prove({ ath: undefined })],
      'the ath of another token': [await prove(ath(`${token}x`))],
      'no jti': [await prove({ jti: undefined })],
      'an empty jti': [await prove({ jti: '' })],
      'a long jti': [await prove({ jti: 'x'.repeat(256) })],
      'no iat': [await prove({ iat: undefined })],
      'an iat that is a text': [await prove({ iat: String(now) })],
      'an iat 61 s ago': [await prove({ iat: now - 61 })],
      'an iat 31 s ahead': [await prove({ iat: now + 31 })],
      'an nbf 31 s ahead': [await prove({ nbf: now + 31 })],
      'an exp that is over': [await prove({ exp: now })],
      'another typ': [await prove({}, { typ: 'JWT' })],
      'no typ': [await prove({}, { typ: undefined })],
      'another key in the header': [await prove({}, { jwk: other.jwk })],
      'the right key in the header of another': [
        await other.prove('POST', target, { jwk: key.jwk }),
      ],
      'a private key in the header': [await prove({}, { jwk: await exportJWK(key.privateKey) })],
      'no key in the header': [await prove({}, { jwk: undefined })],
      'more than 4096 characters': [await prove({ more: 'x'.repeat(4096) })],
      ...Object.fromEntries(
        ['none', 'HS256', 'RS256'].map((alg) => [
          `the algorithm ${alg}`,
          [unsigned({ typ: 'dpop+jwt', alg, jwk: key.jwk }, { jti: 'a', ...target, iat: now })],
        ]),
      ),
    }
    for (const [name, proofs] of Object.entries(wrong)) {
      const [status, challenge] = await call(proofs)
      expect([status, challenge], name).toEqual([
        401,
        expect.stringMatching(/^DPoP error="invalid_dpop_proof", error_description="[^"]+", algs=/),
      ])
    }
    expect(await call([await prove()])).toEqual([200, ''])
  })

  test('accepts an address in another spelling, a proof of a minute ago, and times 10 s ahead', async () => {
    const { broker, call, prove } = await bound(open)
    const { now } = broker.clock
    const proofs = [
      { htu: 'HTTPS://CASES.example:443/api/cases?x=y#z' },
      { iat: now - 60 },
      { iat: now + 10, nbf: now + 10, exp: now + 20 },
    ]
    for (const changes of proofs) expect(await call([await prove(changes)])).toEqual([200, ''])
  })

  test('a stolen token is worth nothing without the key, nor is a proof that was used', async () => {
    const { broker, call, prove } = await bound(open)
    const proof = await prove()
    expect(await call([proof])).toEqual([200, ''])
    expect((await call([proof]))[0]).toBe(401)
    for (const proofs of [[], [await prove()]])
      expect(await call(proofs, { scheme: 'Bearer' })).toEqual([
        401,
        `DPoP error="invalid_token", error_description="It is bound to a key: send it with the scheme DPoP and a proof.", ${ALGS}`,
      ])
    const two = await Promise.all([0, 1].map(async () => call([await prove({ jti: 'twice' })])))
    expect(two.map(([status]) => status).sort()).toEqual([200, 401])
    // The proof counts for this token alone.
    const next = await broker.token({ cnf: { jkt: (await proverOf(broker)).jkt } })
    expect((await call([await prove()], { by: next }))[0]).toBe(401)
  })

  test('rejects a token that is not bound and comes with a proof', async () => {
    const { broker, call, prove } = await bound(open)
    const by = await broker.token()
    const [status, challenge] = await call([await prove(ath(by))], { by })
    expect([status, challenge]).toEqual([
      401,
      expect.stringContaining('DPoP error="invalid_token"'),
    ])
    expect(await call([], { by, scheme: 'Bearer' })).toEqual([200, ''])
  })

  test('rejects a revoked token whatever proves its key, and asks for either scheme', async () => {
    const { broker, call, prove, send } = await bound(open)
    expect(await call([await prove()])).toEqual([200, ''])
    broker.revoke({ kind: 'session', sid: 's_1' })
    await expect
      .poll(async () => call([await prove()]))
      .toEqual([
        401,
        `DPoP error="invalid_token", error_description="It has been revoked.", ${ALGS}`,
      ])
    expect(await send([])).toEqual([401, `Bearer, DPoP ${ALGS}`])
  })
})

const unsigned = (header: object, claims: object): string =>
  `${[header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')}.AAAA`

describe('a bound token', () => {
  test('is rejected where the guard is not told its public address', async () => {
    const broker = await startBroker()
    const guard = await startGuard(broker)
    const key = await proverOf(broker)
    const token = await broker.token({ cnf: { jkt: key.jkt } })
    const proof = await key.prove('GET', { htu: `${API}/`, ...ath(token) })
    const request = new Request(`${API}/`, {
      headers: { authorization: `DPoP ${token}`, dpop: proof },
    })
    const authorized = await guard.authorize(request)
    expect(authorized.ok ? 200 : authorized.response.status).toBe(401)
    expect(guard.status().counters.rejected).toEqual({ proof: 1 })
  })

  test('is accepted below a path that a proxy cuts, by each public address', async () => {
    const broker = await startBroker()
    const publicAddress = ['https://a.example/v1', 'https://b.example']
    const guard = await startGuard(broker, { publicAddress })
    const key = await proverOf(broker)
    const token = await broker.token({ cnf: { jkt: key.jkt } })
    const status = async (htu: string): Promise<number> => {
      const proof = await key.prove('GET', { htu, ...ath(token) })
      const authorized = await guard.authorize(
        new Request('http://internal:3000/cases?x=y', {
          headers: { authorization: `DPoP ${token}`, dpop: proof },
        }),
      )
      return authorized.ok ? 200 : authorized.response.status
    }
    expect(await status('https://a.example/v1/cases')).toBe(200)
    expect(await status('https://b.example/cases')).toBe(200)
    expect(await status('https://a.example/cases')).toBe(401)
    expect(await status('http://internal:3000/cases')).toBe(401)
  })

  test.each([[{}], ['x'], [{ jkt: 'x' }], [{ jkt: 'a'.repeat(43), 'x5t#S256': 'x' }]])(
    'whose cnf is %j is rejected, because nothing proves it',
    async (cnf) => {
      const broker = await startBroker()
      const guard = await startGuard(broker, { publicAddress: API })
      expect(await guard.check(await broker.token({ cnf }))).toMatchObject({ why: 'claims' })
    },
  )
})

test('a stolen token with a proof that was used counts once more at each other process, for a minute', async () => {
  const { broker, call, prove, token } = await bound(() => withExpress())
  const [second, third] = [await withExpress(broker), await withExpress(broker)]
  const proof = await prove({ iat: broker.clock.now - 55 })
  const askAt = ({ send }: Api) => send(['Authorization', `DPoP ${token}`, 'DPoP', proof])
  expect((await call([proof]))[0]).toBe(200)
  expect((await call([proof]))[0]).toBe(401)
  expect([(await askAt(second))[0], (await askAt(second))[0]]).toEqual([200, 401])
  broker.clock.advance(6)
  expect(await askAt(third)).toEqual([401, expect.stringContaining('The iat of the proof')])
})

describe('the proofs that were used', () => {
  test('are remembered as long as their iat is accepted, also by a clock that is set back', () => {
    const { now } = new TestClock()
    const used = new UsedProofs(10)
    expect(used.use('a', now + 30, now)).toBe('first')
    expect(used.use('a', now + 30, now + 90)).toBe('used')
    expect(used.use('b', now + 200, now + 200)).toBe('first')
    expect(used.use('a', now + 30, now)).toBe('used')
    expect(used.use('c', now + 200, now + 200)).toBe('first')
  })

  test('are bounded: above that none is accepted until older ones are forgotten', () => {
    const { now } = new TestClock()
    const used = new UsedProofs(2)
    for (const id of ['a', 'b']) expect(used.use(id, now, now)).toBe('first')
    expect(used.use('c', now, now)).toBe('full')
    expect(used.use('a', now, now)).toBe('used')
    expect(used.use('c', now + 80, now + 80)).toBe('first')
  })
})

import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createGuard, type ClientKey, type Guard, type GuardOptions } from '@case-manager/guard'
import { openCredentials } from '../../guard/src/credentials.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { FeedOfThisProcess } from '../../src/revocation/feed.ts'
import { feedEndpoints } from '../../src/revocation/feed-endpoints.ts'
import { cityMetadata, createRig, ISSUER, type Rig } from '../rig.ts'
import { follow } from './event-stream.ts'

/**
 * A client that authenticates by a key (`private_key_jwt`, RFC 7523) follows the feed, polls it and
 * reports.
 */

let clientKey: ClientKey
let publicKey: Record<string, unknown>
beforeAll(async () => {
  const pair = await generateKeyPair('ES256', { extractable: true })
  clientKey = { ...(await exportJWK(pair.privateKey)), kid: 'k1', alg: 'ES256' }
  publicKey = { ...(await exportJWK(pair.publicKey)), kid: 'k1' }
})

const byKey = {
  authMethod: 'private_key_jwt',
  jwks: { keys: [] as Record<string, unknown>[] },
} as const

async function registered(): Promise<Rig> {
  const rig = await createRig()
  await rig.register('Sydney', { ...byKey, jwks: { keys: [publicKey] } })
  return rig
}

async function startGuard(rig: Rig, options: Partial<GuardOptions> = {}): Promise<Guard> {
  const url = await rig.serve()
  // Node's `Date` is the machine's time, and the broker of the test has another.
  const fetched: typeof fetch = async (address, init) => {
    const answer = await fetch((address as string).replace(ISSUER, url), init)
    return new Response(answer.body, {
      status: answer.status,
      headers: { 'content-type': answer.headers.get('content-type') ?? '' },
    })
  }
  const clock = { nowMs: () => rig.clock.nowMs() }
  const guard = createGuard({
    issuer: ISSUER,
    clientId: 'sydney',
    clientKey: options.clientAssertion === undefined ? clientKey : undefined,
    guardId: 'web-1',
    fetch: fetched,
    clock,
    ...options,
  })
  onTestFinished(() => guard.stop())
  await guard.start()
  return guard
}

const endEverything = (rig: Rig) =>
  requestRevocation(rig.deps, {
    selector: { kind: 'everything' },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: rig.clock.now(),
  })

describe('a guard with a key instead of a secret (RFC 7523)', () => {
  test('follows the feed and reports what it enforces', async () => {
    const rig = await registered()
    const guard = await startGuard(rig)
    await endEverything(rig)
    const { seq } = await rig.store.head()
    await vi.waitFor(
      () =>
        expect(guard.status()).toMatchObject({
          connected: true,
          enforcedSeq: seq,
          reportedSeq: seq,
        }),
      { timeout: 60_000 },
    )
    expect(guard.status().lastProblem).toBeUndefined()
  })

  test('polls the feed', async () => {
    const rig = await registered()
    const guard = await startGuard(rig, { poll: true })
    await endEverything(rig)
    rig.clock.advance(8)
    await guard.check('x')
    expect(guard.status().enforcedSeq).toBe((await rig.store.head()).seq)
  })

  test('says what to set where the broker has another key of it', async () => {
    const rig = await createRig()
    const other = await generateKeyPair('ES256', { extractable: true })
    await rig.register('Sydney', {
      ...byKey,
      jwks: { keys: [{ ...(await exportJWK(other.publicKey)), kid: 'k1' }] },
    })
    const url = await rig.serve()
    const problems: string[] = []
    const guard = createGuard({
      issuer: ISSUER,
      clientId: 'sydney',
      clientKey,
      fetch: (address, init) => fetch((address as string).replace(ISSUER, url), init),
      hooks: { problem: ({ cause }) => problems.push(String(cause)) },
    })
    onTestFinished(() => guard.stop())
    void guard.start()
    await expect
      .poll(() => problems.join())
      .toContain("(401, client_id 'sydney'): use those of the client's registration")
  })

  test.each([
    [
      { clientKey: { kty: 'oct', k: 'AAAA', kid: 'k1' } },
      'its kty must be EC (with crv P-256) or RSA, and is',
    ],
    [{ clientKey: { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'k1' } }, 'it has no private part (d)'],
    [{ clientKey: { kty: 'EC', crv: 'P-256', d: 'AQAB' } }, 'it has no kid'],
    [
      { clientKey: { kty: 'EC', crv: 'P-256', d: 'AQAB', kid: 'k1', alg: 'RS256' } },
      'its alg must be ES256, and is',
    ],
    [
      { clientKey: { kty: 'EC', crv: 'P-256', d: 'AQAB', kid: 'k1' }, clientSecret: 'x' },
      'clientSecret, clientKey, clientAssertion: give one of them',
    ],
    [{}, 'clientSecret: its secret'],
  ])('a key that cannot be used is named: %j', (options, text) => {
    expect(() =>
      createGuard({
        issuer: 'https://sign-in.example',
        clientId: 'sydney',
        ...(options as { clientKey: ClientKey }),
      }),
    ).toThrow(text)
  })
})

describe('a guard with the token of its workload instead of a secret', () => {
  const workload = { issuer: 'https://kubernetes.example', subject: 'sydney-workload' }
  const byWorkload = () => ({
    authMethod: 'workload_jwt' as const,
    workload,
    jwks: { keys: [publicKey] },
  })

  test.each([[{ poll: false }], [{ poll: true }]])(
    'follows the feed by the token that its platform has issued last: %j',
    async (options) => {
      const rig = await createRig()
      await rig.register('Sydney', byWorkload())
      const platform = await importJWK(clientKey)
      let reads = 0
      const guard = await startGuard(rig, {
        ...options,
        clientAssertion: () => {
          reads++
          const times = { iat: rig.clock.now(), exp: rig.clock.now() + 600 }
          return new SignJWT({ iss: workload.issuer, sub: workload.subject, aud: ISSUER, ...times })
            .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
            .sign(platform)
        },
      })
      await endEverything(rig)
      rig.clock.advance(601)
      const { seq } = await rig.store.head()
      await expect
        .poll(async () => {
          await guard.check('x')
          return guard.status().enforcedSeq
        })
        .toBe(seq)
      expect(reads).toBeGreaterThan(1)
      expect(guard.status().lastProblem).toBeUndefined()
    },
  )
})

describe('a stream that was opened by an assertion', () => {
  test('lasts after the assertion has expired, and ends when the key is taken away', async () => {
    const rig = await registered()
    const feed = new FeedOfThisProcess(rig.deps, 20)
    onTestFinished(() => feed.close())
    const url = await rig.serve(feedEndpoints({ ...rig.deps, feed }))
    const credentials = openCredentials({ issuer: ISSUER, clientId: 'sydney', clientKey })
    if (credentials.kind !== 'assertion') throw new Error('it is a secret')
    const body = new URLSearchParams({
      ...(await credentials.members(rig.clock.now())),
      guard: 'web-1',
    })
    const guard = await follow(`${url}/revocations`, {}, { method: 'POST', body })
    await guard.until('live')
    rig.clock.advance(3600)
    const beats = guard.grants.length
    await vi.waitFor(() => expect(guard.grants.length).toBeGreaterThan(beats + 1), {
      timeout: 60_000,
    })
    expect(feed.streams()).toHaveLength(1)
    await rig.store.putClient({
      clientId: 'sydney',
      source: 'command',
      metadata: cityMetadata('Sydney', byKey),
      now: rig.clock.now(),
    })
    await rig.clients.reload()
    expect((await guard.until('end')).data).toEqual({ why: 'credential' })
  })

  test('an assertion in the address is rejected: addresses end up in logs', async () => {
    const rig = await registered()
    const answer = await rig.app.request('/revocations?client_assertion=x&client_assertion_type=y')
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { error_description: 'Send client_assertion by POST, in the body.' },
    ])
  })
})

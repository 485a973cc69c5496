import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from 'jose'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  openKeyRing,
  KEEP_RETIRING_SECONDS,
  PUBLISH_AHEAD_SECONDS,
  ROTATE_AFTER_SECONDS,
} from '../../src/keys/ring.ts'
import { makeSigningKey } from '../../src/keys/signing-key.ts'
import { createSealer } from '../../src/keys/sealer.ts'
import { memoryKeys } from './memory-keys.ts'

const ISSUER = 'https://broker.example'
const START = 1_800_000_000
const secret = randomBytes(32)

let now = START
let store = memoryKeys()
let emergencies: string[][] = []
beforeEach(() => {
  now = START
  store = memoryKeys()
  emergencies = []
})
const open = (keyFiles?: string[]) =>
  openKeyRing({
    store,
    sealer: createSealer([secret]),
    random: randomBytes,
    clock: { now: () => now },
    issuer: ISSUER,
    keyFiles,
    onEmergency: (kids) => emergencies.push(kids),
  })
const kidOf = (jwt: string) =>
  (JSON.parse(Buffer.from(jwt.split('.')[0]!, 'base64url').toString()) as { kid: string }).kid
const published = (ring: Awaited<ReturnType<typeof open>>) => ring.jwks().keys.map((key) => key.kid)
const claims = () => ({ sub: 'u_1', exp: now + 300 })

describe('signing keys at first start', () => {
  test('one ES256 and one RS256 key are made, sealed, published without private parts, and there again after a restart', async () => {
    const ring = await open()
    const keys = ring.jwks().keys
    expect(keys.map((key) => key.alg).toSorted()).toEqual(['ES256', 'RS256'])
    for (const key of keys)
      for (const secretPart of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'])
        expect(key).not.toHaveProperty(secretPart)
    expect(keys.every((key) => key.use === 'sig')).toBe(true)
    const rsa = keys.find((key) => key.alg === 'RS256')
    expect(
      createPublicKey({ key: rsa as Record<string, string>, format: 'jwk' }).asymmetricKeyDetails
        ?.modulusLength,
    ).toBe(2048)
    expect(published(await open())).toEqual(published(ring))
    expect(store.rows.every((row) => row.privateSealed !== null && row.state === 'active')).toBe(
      true,
    )
  })

  test('no kid begins with a dash, because cmb would read it as an option', async () => {
    const kids = await Promise.all(
      Array.from({ length: 500 }, async () => (await makeSigningKey('ES256')).kid),
    )
    expect(kids.filter((kid) => kid.startsWith('-'))).toEqual([])
  })

  test('the kid is the RFC 7638 thumbprint', async () => {
    const ring = await open()
    for (const key of ring.jwks().keys)
      expect(key.kid).toBe(
        await calculateJwkThumbprint(key as Record<string, string> & { kty: string }),
      )
  })

  test.each(['ES256', 'RS256'] as const)(
    'any JOSE library verifies by the JWKS what the broker signs by %s (RFC 7515, RFC 7518 §3.4)',
    async (alg) => {
      const ring = await open()
      const jwks = createLocalJWKSet(ring.jwks() as Parameters<typeof createLocalJWKSet>[0])
      for (const jwt of [
        ring.sign(alg, 'at+jwt', claims()),
        await ring.signAside(alg, 'at+jwt', claims()),
      ]) {
        const { payload } = await jwtVerify(jwt, jwks, {
          issuer: ISSUER,
          typ: 'at+jwt',
          algorithms: [alg],
          currentDate: new Date(now * 1000),
        })
        expect(payload.sub).toBe('u_1')
      }
    },
  )

  test('without the secret that sealed them the broker does not start, and says what to add', async () => {
    await open()
    const other = openKeyRing({
      store,
      sealer: createSealer([randomBytes(32)]),
      random: randomBytes,
      clock: { now: () => now },
      issuer: ISSUER,
    })
    await expect(other).rejects.toThrow(/BROKER_SECRET/)
  })

  test('a private key moved to another row of the database does not open', async () => {
    await open()
    const [a, b] = store.rows
    ;[a!.privateSealed, b!.privateSealed] = [b!.privateSealed, a!.privateSealed]
    await expect(open()).rejects.toThrow(/under a secret that is not in it/)
  })
})

describe('verifying our own tokens', () => {
  test('a valid one gives its claims; an expired one only where that is allowed', async () => {
    const ring = await open()
    const jwt = ring.sign('ES256', 'at+jwt', claims())
    expect(await ring.verify(jwt, { typ: 'at+jwt', now })).toMatchObject({
      sub: 'u_1',
      iss: ISSUER,
    })
    expect(await ring.verify(jwt, { typ: 'at+jwt', now: now + 300 })).toBeUndefined()
    expect(
      await ring.verify(jwt, { typ: 'at+jwt', now: now + 300, allowExpired: true }),
    ).toMatchObject({ sub: 'u_1' })
  })

  test('another type, another issuer, no expiry, alg none, a foreign key, a changed payload, rubbish: all rejected', async () => {
    const ring = await open()
    const good = ring.sign('ES256', 'JWT', claims())
    const [header, payload, signature] = good.split('.') as [string, string, string]
    const { privateKey } = await generateKeyPair('ES256')
    const foreign = await new SignJWT(claims())
      .setIssuer(ISSUER)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: kidOf(good) })
      .sign(privateKey)
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`
    const hmac = await new SignJWT(claims())
      .setIssuer(ISSUER)
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: kidOf(good) })
      .sign(randomBytes(32))
    const changed = Buffer.from(JSON.stringify({ ...claims(), sub: 'u_2', iss: ISSUER })).toString(
      'base64url',
    )
    for (const jwt of [
      good,
      none,
      foreign,
      hmac,
      `${header}.${changed}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}`,
      '',
      'a.b.c',
      '....',
      ring.sign('ES256', 'at+jwt', { ...claims(), iss: 'https://other.example' }),
      ring.sign('ES256', 'at+jwt', { sub: 'u_1' }),
    ]) {
      expect(await ring.verify(jwt, { typ: 'at+jwt', now })).toBeUndefined()
    }
  })
})

describe('rotation without an outage', () => {
  test('the next key is published ahead, signs a day later, and the old one stays published until nothing it signed can live', async () => {
    const ring = await open()
    const old = kidOf(ring.sign('ES256', 'at+jwt', claims()))
    const next = await ring.rotate('ES256', 'next', now)
    expect(published(ring)).toContain(next.kid)
    expect(kidOf(ring.sign('ES256', 'at+jwt', claims()))).toBe(old)
    expect((await ring.rotate('ES256', 'next', now)).kid).toBe(next.kid)

    now += PUBLISH_AHEAD_SECONDS - 1
    await ring.tick(now)
    expect(kidOf(ring.sign('ES256', 'at+jwt', claims()))).toBe(old)
    const last = ring.sign('ES256', 'at+jwt', { ...claims(), exp: now + 3600 })

    now += 1
    await ring.tick(now)
    expect(kidOf(ring.sign('ES256', 'at+jwt', claims()))).toBe(next.kid)
    expect(await ring.verify(last, { typ: 'at+jwt', now })).toBeDefined()

    now += KEEP_RETIRING_SECONDS - 1
    await ring.tick(now)
    expect(published(ring)).toContain(old)
    now += 1
    await ring.tick(now)
    expect(published(ring)).not.toContain(old)
    expect(ring.retiredKids()).toEqual([old])
    expect(await ring.verify(last, { typ: 'at+jwt', now, allowExpired: true })).toBeUndefined()
    expect(emergencies).toEqual([])
  })

  test('after 90 days a key is replaced without a request; ticking twice makes nothing twice', async () => {
    const ring = await open()
    now += ROTATE_AFTER_SECONDS - PUBLISH_AHEAD_SECONDS
    await ring.tick(now)
    await ring.tick(now)
    expect((await ring.list()).map((row) => row.state).toSorted()).toEqual([
      'active',
      'active',
      'next',
      'next',
    ])
    now += PUBLISH_AHEAD_SECONDS
    await ring.tick(now)
    await ring.tick(now)
    expect((await ring.list()).map((row) => row.state).toSorted()).toEqual([
      'active',
      'active',
      'retiring',
      'retiring',
    ])
  })

  test('activating uses the key that was published ahead', async () => {
    const ring = await open()
    const next = await ring.rotate('RS256', 'next', now)
    expect((await ring.rotate('RS256', 'activate', now)).kid).toBe(next.kid)
    expect(kidOf(ring.sign('RS256', 'JWT', claims()))).toBe(next.kid)
  })

  test('in an emergency a new key signs at once, everything signed before is rejected, and guards are notified', async () => {
    const ring = await open()
    const stolen = ring.sign('ES256', 'at+jwt', claims())
    const next = await ring.rotate('ES256', 'next', now)
    const fresh = await ring.rotate('ES256', 'emergency', now)
    expect(fresh.kid).not.toBe(next.kid)
    expect(await ring.verify(stolen, { typ: 'at+jwt', now })).toBeUndefined()
    expect(published(ring)).not.toContain(kidOf(stolen))
    expect(published(ring)).not.toContain(next.kid)
    expect(emergencies).toHaveLength(1)
    expect(emergencies[0]?.toSorted()).toEqual([kidOf(stolen), next.kid].toSorted())
    expect(ring.retiredKids().toSorted()).toEqual([kidOf(stolen), next.kid].toSorted())
    expect((await open()).retiredKids().toSorted()).toEqual([kidOf(stolen), next.kid].toSorted())
  })

  test('at another broker: guards are notified, also where the keys were read before, or new ones could not be made', async () => {
    const here = await open()
    const other = await open()
    const old = here.jwks().keys.map((key) => key.kid)
    await other.rotate('ES256', 'emergency', now)
    emergencies = []
    await here.list()
    await here.reload()
    expect(emergencies).toEqual([[old.find((kid) => here.retiredKids().includes(String(kid)))]])
    await here.reload()
    expect(emergencies).toHaveLength(1)
    for (const { kid } of store.rows) await store.retireKey({ kid, now })
    const { addKey } = store
    store.addKey = async () => {
      throw new Error('The disk is full.')
    }
    await expect(here.reload()).rejects.toThrow('full')
    store.addKey = addKey
    await here.reload()
    expect(emergencies).toHaveLength(2)
    expect(emergencies[1]).toHaveLength(2)
  })

  test('of two readings at once, the later one counts, whichever ends first', async () => {
    const ring = await open()
    const old = published(ring)
    const { listKeys } = store
    const rows = await listKeys()
    const gate = Promise.withResolvers<typeof rows>()
    store.listKeys = () => gate.promise
    const early = ring.list()
    store.listKeys = listKeys
    await ring.rotate('ES256', 'emergency', now)
    const current = published(ring)
    expect(current).not.toEqual(old)
    gate.resolve(rows)
    await early
    expect(published(ring)).toEqual(current)
  })

  test('the key that signs cannot be retired, another can, once', async () => {
    const ring = await open()
    const old = kidOf(ring.sign('ES256', 'at+jwt', claims()))
    await expect(ring.retire(old, now)).rejects.toThrow(/Rotate first/)
    await ring.rotate('ES256', 'activate', now)
    expect(await ring.retire(old, now)).toBe(true)
    expect(await ring.retire(old, now)).toBe(false)
    expect(await ring.retire('unknown', now)).toBe(false)
    expect(emergencies).toEqual([[old]])
  })
})

describe('keys from PKCS#8 files', () => {
  const write = (name: string, pem: string) => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-keys-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    writeFileSync(join(dir, name), pem)
    return join(dir, name)
  }
  const ec = () =>
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      format: 'pem',
      type: 'pkcs8',
    }) as string

  test('the first of an algorithm signs, the database holds its public part only, the other algorithm is made as ever', async () => {
    const [first, second] = [write('one.pem', ec()), write('two.pem', ec())]
    const ring = await open([first, second])
    const kid = kidOf(ring.sign('ES256', 'at+jwt', claims()))
    const rows = await ring.list()
    expect(rows.find((row) => row.kid === kid)).toMatchObject({
      state: 'active',
      privateSealed: null,
    })
    expect(rows.filter((row) => row.alg === 'ES256' && row.state === 'next')).toHaveLength(1)
    expect(ring.jwks().keys).toHaveLength(3)
    await ring.tick(now + ROTATE_AFTER_SECONDS)
    expect(kidOf(ring.sign('ES256', 'at+jwt', claims()))).toBe(kid)
    await expect(ring.rotate('ES256', 'next', now)).rejects.toThrow(/file/)

    const swapped = await open([second])
    expect(kidOf(swapped.sign('ES256', 'at+jwt', claims()))).not.toBe(kid)
    expect(published(swapped)).toContain(kid)
  })

  test('when the file is no longer named, the broker makes a key of its own and keeps publishing the old one', async () => {
    const file = write('one.pem', ec())
    const before = await open([file])
    const jwt = before.sign('ES256', 'at+jwt', claims())
    const after = await open()
    expect(kidOf(after.sign('ES256', 'at+jwt', claims()))).not.toBe(kidOf(jwt))
    expect(await after.verify(jwt, { typ: 'at+jwt', now })).toBeDefined()
  })

  test('two brokers that start at the same moment with the same files both start', async () => {
    const rows = await store.listKeys()
    const { listKeys } = store
    const file = write('one.pem', ec())
    const asked = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<typeof rows>()
    store.listKeys = () => {
      store.listKeys = listKeys
      asked.resolve()
      return gate.promise
    }
    const slow = open([file])
    await asked.promise
    const fast = await open([file])
    gate.resolve(rows)
    expect(published(await slow)).toEqual(published(fast))
  })

  test('every unusable key file is named, with the reason', async () => {
    const small = write(
      'small.pem',
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({
        format: 'pem',
        type: 'pkcs8',
      }) as string,
    )
    const ed = write(
      'ed.pem',
      generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
    )
    const text = write('text.pem', 'nothing')
    const error = await open([small, ed, text, '/nowhere/key.pem']).then(
      () => undefined,
      (cause: Error) => cause.message,
    )
    for (const part of [small, ed, text, '/nowhere/key.pem', '2048', 'P-256', 'PEM'])
      expect(error).toContain(part)
  })
})

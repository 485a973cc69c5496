import { describe, expect, test } from 'vitest'
import type { ClientSource } from '../../src/protocol/client-metadata.ts'
import type { StoredSigningKey } from '../../db/types.ts'
import {
  benches,
  codeFor,
  expectOutcome,
  family,
  metadataOf,
  redemptionOf,
  STORES,
  T0,
  type Bench,
} from './fixture.ts'

/**
 * Two brokers change the registry at once. Each test says what holds in whichever order the two
 * acts commit.
 */

/** Pairs of one test: enough that the acts of some of them are carried out beside each other. */
const PAIRS = Array.from({ length: 12 }, (_, i) => `p${i}`)
const each = <T>(pair: (name: string) => Promise<T>): Promise<T[]> => Promise.all(PAIRS.map(pair))
const OPERATOR = { kind: 'operator', id: 'olga' } as const

const key = (kid: string, alg: StoredSigningKey['alg']): StoredSigningKey => ({
  kid,
  alg,
  state: 'next',
  privateSealed: `sealed-${kid}`,
  publicJwk: { kty: 'EC', kid },
  createdAt: T0,
})

describe.each(STORES)('two acts at once on a registration, on %s', (_name, make) => {
  const open = benches(make)
  const put = (b: Bench, clientId: string, source: ClientSource, name: string) => {
    const logoutUris = [`https://${name}.example/logout`, 'https://both.example/logout']
    const secrets = [{ id: `s-${name}`, hash: `hash-${name}`, createdAt: T0 }]
    return b.store.putClient({
      clientId,
      source,
      metadata: metadataOf(clientId, { name, logoutUris }),
      secrets,
      now: b.now,
    })
  }
  const remove = (b: Bench, clientId: string) =>
    b.store.removeClient({ clientId, source: 'any', actor: OPERATOR, now: b.now })
  /** Checks that a client is of one registration, with nothing of the other. */
  const isWhole = async (b: Bench, clientId: string, name: string) => {
    const client = await b.store.findClient(clientId)
    expect(client).toMatchObject({ metadata: { name }, secrets: [{ id: `s-${name}` }] })
    const uris = (await b.store.listTargets())
      .filter((target) => target.clientId === clientId)
      .map(({ uri }) => uri)
    expect(uris.toSorted()).toEqual(client?.metadata.logoutUris.toSorted())
    return client
  }

  test('of two additions of one id, by two sources, one is rejected and changes nothing', async () => {
    const b = await open()
    await each(async (id) => {
      const answers = await Promise.all([put(b, id, 'file', 'one'), put(b, id, 'api', 'two')])
      expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual(['added', 'foreign'])
      const first = answers[0].outcome === 'added'
      expect(await isWhole(b, id, first ? 'one' : 'two')).toMatchObject({
        source: first ? 'file' : 'api',
      })
    })
    expect(await b.registryVersion()).toBe(PAIRS.length)
  })

  test('of two registrations of one id, by its own source, the later one is kept whole', async () => {
    const b = await open()
    await each(async (id) => {
      const answers = await Promise.all([put(b, id, 'api', 'one'), put(b, id, 'api', 'two')])
      expect(answers.map(({ outcome }) => outcome).toSorted()).toEqual(['added', 'changed'])
      await isWhole(b, id, answers[0].outcome === 'changed' ? 'one' : 'two')
    })
    expect(await b.registryVersion()).toBe(2 * PAIRS.length)
  })

  test('of two removals one revokes; what is refreshed, redeemed or issued to the client beside them is worth nothing afterwards', async () => {
    const b = await open()
    await each(async (id) => {
      await b.client(id)
      const { session } = await b.signIn(id)
      const tokens = family((await b.exchange(session.sid, id)).family)
      const code = codeFor(id, b.now)
      await b.store.issueCode({ sid: session.sid, code, now: b.now })
      const [rotation, redemption, granted, ...removals] = await Promise.all([
        b.refresh(tokens),
        b.store.redeemAuthorizationCode(redemptionOf(code, b.now)),
        b.store.grantClient({ clientId: id, audience: 'urn:x' }),
        remove(b, id),
        remove(b, id),
      ])
      expect(removals.map(({ outcome }) => outcome).toSorted()).toEqual(['removed', 'unknown'])
      for (const issued of [rotation, redemption]) {
        if (!('rev' in issued)) continue
        const check = {
          sid: session.sid,
          sub: session.sub,
          clientId: id,
          rev: issued.rev,
          now: b.now,
          touch: false,
        }
        expect(await b.store.checkAccess(check)).toEqual({ outcome: 'rejected', why: 'revoked' })
        expect(
          issued.family === undefined ? 'rejected' : (await b.refresh(issued.family)).outcome,
        ).toBe('rejected')
      }
      if ('rev' in granted)
        expect(await b.store.checkClientAccess({ clientId: id, rev: granted.rev })).toBe(false)
      expect(await b.store.findClient(id)).toMatchObject({ removedAt: T0, secrets: [] })
    })
    expect((await b.store.head()).seq).toBe(PAIRS.length)
  })

  test('of a change beside a removal, whichever comes first, one registration is left whole, or none', async () => {
    const b = await open()
    await each(async (id) => {
      await put(b, id, 'api', 'one')
      const [change] = await Promise.all([put(b, id, 'api', 'two'), remove(b, id)])
      if (change.outcome === 'added') await isWhole(b, id, 'two')
      else expect(await b.store.findClient(id)).toMatchObject({ removedAt: T0, secrets: [] })
      const targets = (await b.store.listTargets()).filter((target) => target.clientId === id)
      expect(targets).toHaveLength(change.outcome === 'added' ? 2 : 0)
    })
  })

  test('of secrets that are added at once, the two of the latest are left', async () => {
    const b = await open()
    await each(async (id) => {
      await b.client(id)
      const add = (n: number) =>
        b.store.addClientSecret({
          clientId: id,
          secret: { id: `s-${n}`, hash: 'h', createdAt: T0 + n },
          now: b.now,
        })
      expect(await Promise.all([add(1), add(2), add(3)])).toEqual([true, true, true])
      expect((await b.store.findClient(id))?.secrets).toHaveLength(2)
    })
  })
})

describe.each(STORES)('two acts at once on keys, tenants and settings, on %s', (_name, make) => {
  const open = benches(make)

  test('of two rotations of one algorithm, one key is active afterwards, and the one before it retires', async () => {
    const b = await open()
    await b.store.addKey(key('other', 'RS256'))
    const rotate = async (kid: string, alg: StoredSigningKey['alg'] = 'ES256') => {
      await b.store.addKey(key(kid, alg))
      return b.store.activateKey({ kid, retireAt: T0 + 900, now: T0 })
    }
    for (const round of PAIRS) {
      expect(
        await Promise.all([
          rotate(`${round}-a`),
          rotate(`${round}-b`),
          rotate(`${round}-r`, 'RS256'),
        ]),
      ).toEqual([true, true, true])
      const active = (await b.store.listKeys()).filter(({ state }) => state === 'active')
      expect(active.map(({ alg }) => alg).toSorted()).toEqual(['ES256', 'RS256'])
    }
    const retiring = (await b.store.listKeys()).filter(({ state }) => state === 'retiring')
    expect(retiring).toHaveLength(3 * PAIRS.length - 2)
  })

  test('of a change of a tenant beside its removal, whichever comes first, it is removed and no session of it is left', async () => {
    const b = await open()
    await each(async (tid) => {
      await b.store.putTenant({ tid, name: 'Contoso', mfaProof: 'amr', connectedAt: T0 })
      const { session } = await b.signIn('alice', { tid })
      const change = (name: string) => b.store.changeTenant({ tid, change: { name } })
      const remove = () => b.store.removeTenant({ tid, actor: OPERATOR, now: T0 + 1 })
      const [, first, , second] = await Promise.all([
        change('one'),
        remove(),
        change('two'),
        remove(),
      ])
      expect([first.outcome, second.outcome].toSorted()).toEqual(['removed', 'unknown'])
      expect(await b.store.findTenant(tid)).toMatchObject({ removedAt: T0 + 1, mfaProof: 'amr' })
      expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
        state: 'ended',
        why: 'revoked',
      })
    })
  })

  test('of two changes of one tenant, both are kept', async () => {
    const b = await open()
    await each(async (tid) => {
      await b.store.putTenant({ tid, mfaProof: 'amr', connectedAt: T0 })
      const changes = [{ name: 'Contoso' }, { idleSeconds: 600 }, { absoluteSeconds: 900 }]
      expect(
        await Promise.all(changes.map((change) => b.store.changeTenant({ tid, change }))),
      ).toEqual([true, true, true])
      expect(await b.store.findTenant(tid)).toMatchObject({
        name: 'Contoso',
        idleSeconds: 600,
        absoluteSeconds: 900,
      })
    })
  })

  test('a setting that is set once has one value, which both are answered', async () => {
    const b = await open()
    await each(async (name) => {
      const both = await Promise.all([
        b.store.setSettingOnce(name, '1'),
        b.store.setSettingOnce(name, '2'),
      ])
      const kept = await b.store.setting(name)
      expect(both).toEqual([kept, kept])
    })
    expect(await b.registryVersion()).toBe(PAIRS.length)
  })

  test('a user who is erased twice, beside a page of an earlier erasure, is forgotten', async () => {
    const b = await open()
    const forgetAll = async () => {
      while (await b.store.forgetErased({ limit: 4 }));
    }
    const sids = await each(async (who) => {
      const { session } = await b.signIn(who)
      await b.revoke({ kind: 'session', sid: session.sid })
      const erase = async () =>
        expectOutcome(
          await b.store.eraseUser({ sub: session.sub, actor: OPERATOR, now: b.now }),
          'erased',
        )
      await erase()
      await Promise.all([erase(), b.store.forgetErased({ limit: 4 }), erase()])
      return session.sid
    })
    await Promise.all([forgetAll(), forgetAll()])
    await forgetAll()
    for (const sid of sids) {
      const status = await b.store.statusBySid(sid, b.now)
      expect(status).toMatchObject({
        state: 'ended',
        session: { device: '', roles: [], user: { name: undefined } },
      })
    }
  })
})

import { LONGEST_SESSION_SECONDS } from '../../src/protocol/revocation.ts'
import { describe, expect, test } from 'vitest'
import type { SecretHash } from '../../src/protocol/client-metadata.ts'
import type { StoredSigningKey } from '../../db/types.ts'
import { benches, expectOutcome, family, metadataOf, STORES, T0, type Bench } from './fixture.ts'

const secret = (id: string, createdAt: number, expiresAt?: number): SecretHash => ({
  id,
  hash: `hash-${id}`,
  createdAt,
  ...(expiresAt === undefined ? {} : { expiresAt }),
})

const put = (b: Bench, changed: Partial<Parameters<Bench['store']['putClient']>[0]> = {}) =>
  b.store.putClient({
    clientId: 'sydney',
    source: 'command',
    metadata: metadataOf('sydney'),
    now: b.now,
    ...changed,
  })

describe.each(STORES)('registrations, on %s', (_name, make) => {
  const open = benches(make)

  test('a registration is added, changed, and left alone where nothing differs', async () => {
    const b = await open()
    const added = expectOutcome(await put(b, { secrets: [secret('s-1', T0)] }), 'added')
    expect(added.client).toEqual({
      clientId: 'sydney',
      source: 'command',
      metadata: metadataOf('sydney'),
      secrets: [secret('s-1', T0)],
      formerTenants: [],
      createdAt: T0,
      updatedAt: T0,
    })
    b.now += 60
    expect(await put(b)).toMatchObject({ outcome: 'unchanged', client: { updatedAt: T0 } })
    expect(await put(b, { secrets: [secret('s-1', T0)] })).toMatchObject({ outcome: 'unchanged' })
    const changed = expectOutcome(
      await put(b, { metadata: metadataOf('sydney', { name: 'Sydney' }) }),
      'changed',
    )
    expect(changed.client).toMatchObject({
      metadata: { name: 'Sydney' },
      secrets: [{ id: 's-1' }],
      createdAt: T0,
      updatedAt: T0 + 60,
    })
    expect(
      await put(b, {
        secrets: [secret('s-2', T0)],
        metadata: metadataOf('sydney', { name: 'Sydney' }),
      }),
    ).toMatchObject({
      outcome: 'changed',
      client: { secrets: [{ id: 's-2' }] },
    })
    expect(await b.store.listClients()).toHaveLength(1)
    expect(await b.store.findClient('none')).toBeUndefined()
  })

  test('a source that does not own it may neither change nor remove it', async () => {
    const b = await open()
    await put(b, { source: 'file' })
    expect(await put(b, { source: 'api' })).toEqual({ outcome: 'foreign', source: 'file' })
    const actor = { kind: 'operator', id: 'o' } as const
    expect(
      await b.store.removeClient({ clientId: 'sydney', source: 'command', actor, now: b.now }),
    ).toEqual({ outcome: 'foreign', source: 'file' })
    expect(
      (await b.store.removeClient({ clientId: 'sydney', source: 'any', actor, now: b.now }))
        .outcome,
    ).toBe('removed')
    expect(
      await b.store.removeClient({ clientId: 'sydney', source: 'any', actor, now: b.now }),
    ).toEqual({ outcome: 'unknown' })
  })

  test('two secrets are valid at a time: with a third, the oldest valid one goes, and those that have expired', async () => {
    const b = await open()
    await put(b, {
      secrets: [secret('s-1', T0), secret('s-2', T0 + 1), secret('s-0', T0 - 9, T0 - 1)],
    })
    const add = (id: string, createdAt: number) =>
      b.store.addClientSecret({ clientId: 'sydney', secret: secret(id, createdAt), now: b.now })
    const ids = async () => (await b.store.findClient('sydney'))?.secrets.map(({ id }) => id)
    expect(await add('s-3', T0 + 2)).toBe(true)
    expect(await ids()).toEqual(['s-2', 's-3'])
    await Promise.all([add('s-4', T0 + 3), add('s-5', T0 + 4)])
    expect(await ids()).toEqual(['s-4', 's-5'])
    expect(await b.store.removeClientSecret({ clientId: 'sydney', secretId: 's-4' })).toBe(true)
    expect(await b.store.removeClientSecret({ clientId: 'sydney', secretId: 's-4' })).toBe(false)
    expect(await ids()).toEqual(['s-5'])
    expect(
      await b.store.addClientSecret({ clientId: 'none', secret: secret('x', T0), now: b.now }),
    ).toBe(false)
  })

  test('a secret keeps its last use, also when the registration is read again; an earlier one does not replace it', async () => {
    const b = await open()
    await put(b, { secrets: [secret('s-1', T0), secret('s-2', T0 + 1)] })
    const version = await b.store.registryVersion()
    const use = (at: number) => ({ clientId: 'sydney', id: 's-2', at })
    await b.store.recordSecretUses([use(T0 + 9), { ...use(T0 + 9), id: 'none' }])
    await b.store.recordSecretUses([use(T0 + 8)])
    const secrets = async () => (await b.store.findClient('sydney'))?.secrets ?? []
    const used = [secret('s-1', T0), { ...secret('s-2', T0 + 1), usedAt: T0 + 9 }]
    expect(await secrets()).toEqual(used)
    expect(await b.store.registryVersion()).toBe(version)
    expect(await put(b, { secrets: await secrets() })).toMatchObject({ outcome: 'unchanged' })
    await put(b, { secrets: await secrets(), metadata: metadataOf('sydney', { name: 'Sydney' }) })
    expect(await secrets()).toEqual(used)
  })

  test('removing a client revokes what it holds in the same act; its logout tokens are pending, its secrets are gone', async () => {
    const b = await open()
    await put(b, { secrets: [secret('s-1', T0)] })
    const { session } = await b.signIn('alice')
    const granted = await b.exchange(session.sid, 'sydney')
    const removed = expectOutcome(
      await b.store.removeClient({
        clientId: 'sydney',
        source: 'command',
        actor: { kind: 'operator', id: 'o' },
        now: b.now,
      }),
      'removed',
    )
    expect(removed.committed.revocation).toMatchObject({
      selector: { kind: 'client', clientId: 'sydney' },
      reason: 'client_removed',
    })
    expect(await b.refresh(family(granted.family))).toEqual({ outcome: 'rejected', why: 'revoked' })
    expect(await b.fanOutAll()).toBe(1)
    expect(await b.store.listDeliveries({ limit: 10 })).toMatchObject([
      { sid: session.sid, uri: 'https://sydney.example/backchannel' },
    ])
    expect(await b.store.listClients()).toEqual([])
    // Still found, because its pending logout tokens are still to be signed.
    expect(await b.store.findClient('sydney')).toMatchObject({ removedAt: T0, secrets: [] })
    expect(
      await b.store.addClientSecret({ clientId: 'sydney', secret: secret('x', T0), now: b.now }),
    ).toBe(false)
  })

  test('each tenant that a change takes out of a registration is kept once, by its latest removal, longer than any session lasts', async () => {
    const b = await open()
    const former = async (...tenants: string[]) => {
      const metadata = metadataOf('sydney', { tenants })
      return expectOutcome(await put(b, { metadata }), 'changed').client.formerTenants
    }
    await put(b)
    expect(await former('a', 'b')).toEqual([{ removedAt: T0 }])
    b.now += 10
    expect(await former('a')).toEqual([{ removedAt: T0 }, { tid: 'b', removedAt: T0 + 10 }])
    expect(await former('a', 'b')).toHaveLength(2)
    b.now += 10
    expect(await former('a')).toEqual([{ removedAt: T0 }, { tid: 'b', removedAt: T0 + 20 }])
    b.now += LONGEST_SESSION_SECONDS + 7190
    expect(await former('c')).toEqual([
      { tid: 'b', removedAt: T0 + 20 },
      { tid: 'a', removedAt: b.now },
    ])
  })

  test('a client that is registered again gets the revocations of the tenants of its former registration while their sessions may last', async () => {
    const b = await open()
    await put(b, { metadata: metadataOf('sydney', { tenants: ['a', 'b'] }) })
    b.now += 10
    await put(b, { metadata: metadataOf('sydney', { tenants: ['a', 'c'] }) })
    b.now += 10
    await b.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'o' },
      now: b.now,
    })
    b.now += 10
    const again = expectOutcome(
      await put(b, { metadata: metadataOf('sydney', { tenants: ['c'] }) }),
      'added',
    ).client
    expect(again.formerTenants).toEqual([
      { tid: 'b', removedAt: T0 + 10 },
      { tid: 'a', removedAt: T0 + 30 },
    ])
    expect(
      expectOutcome(
        await put(b, { clientId: 'perth', metadata: metadataOf('perth', { tenants: ['c'] }) }),
        'added',
      ).client.formerTenants,
    ).toEqual([])
  })

  test('consents go with a client, whenever it is registered again, and retention deletes them', async () => {
    const b = await open()
    const { sub } = (await b.signIn('alice')).session
    const sydney = { sub, clientId: 'sydney', scope: 'openid' }
    const perth = { ...sydney, clientId: await b.client('perth') }
    const purged = (limit: number) => b.store.purge({ kind: 'consents', now: b.now, limit })
    await put(b)
    for (const consent of [sydney, perth]) await b.store.recordConsent({ ...consent, now: b.now })
    await b.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'o' },
      now: b.now,
    })
    expect(await b.store.hasConsent(sydney)).toBe(false)
    await put(b)
    expect(await b.store.hasConsent(sydney)).toBe(false)
    expect((await b.store.appsOfUser(sub, b.now)).consents).toMatchObject([{ clientId: 'perth' }])
    expect([await purged(1), await purged(1)]).toEqual([true, false])
    b.now += 1
    await b.store.recordConsent({ ...sydney, scope: 'email', now: b.now })
    expect([
      await b.store.hasConsent({ ...sydney, scope: 'email' }),
      await b.store.hasConsent(sydney),
    ]).toEqual([true, false])
    expect([await purged(1), await b.store.hasConsent(perth)]).toEqual([false, true])
  })

  test('what was revoked with a client stays revoked when the client is registered again', async () => {
    const b = await open()
    await put(b)
    const { session } = await b.signIn('alice')
    const before = await b.exchange(session.sid, 'sydney')
    await b.store.removeClient({
      clientId: 'sydney',
      source: 'any',
      actor: { kind: 'operator', id: 'o' },
      now: b.now,
    })
    b.now += 10
    expect(await put(b, { source: 'api' })).toMatchObject({
      outcome: 'added',
      client: { source: 'api', createdAt: T0 + 10 },
    })
    expect(await b.refresh(family(before.family))).toEqual({ outcome: 'rejected', why: 'revoked' })
    const after = await b.exchange(session.sid, 'sydney')
    expect((await b.refresh(family(after.family))).outcome).toBe('rotated')
    await b.revoke({ kind: 'session', sid: session.sid })
    expect(await b.store.listDeliveries({ seq: 2, limit: 10 })).toHaveLength(1)
  })
})

const key = (
  kid: string,
  state: StoredSigningKey['state'],
  alg: StoredSigningKey['alg'] = 'ES256',
): StoredSigningKey => ({
  kid,
  alg,
  state,
  privateSealed: `sealed-${kid}`,
  publicJwk: { kty: 'EC', kid },
  createdAt: T0,
})

describe.each(STORES)('signing keys, tenants and settings, on %s', (_name, make) => {
  const open = benches(make)
  const states = async (b: Bench) =>
    Object.fromEntries((await b.store.listKeys()).map(({ kid, state }) => [kid, state]))

  test('a next key becomes active and the active one of its algorithm retires, in one act, also of two at once', async () => {
    const b = await open()
    for (const signingKey of [
      key('a', 'active'),
      key('b', 'next'),
      key('c', 'next'),
      key('r', 'active', 'RS256'),
    ])
      await b.store.addKey(signingKey)
    await b.store.addKey({ ...key('a', 'retired'), privateSealed: null })
    const activate = (kid: string) => b.store.activateKey({ kid, retireAt: T0 + 900, now: T0 })
    expect((await Promise.all([activate('b'), activate('b')])).toSorted()).toEqual([false, true])
    expect(await states(b)).toEqual({ a: 'retiring', b: 'active', c: 'next', r: 'active' })
    expect((await b.store.listKeys())[0]).toEqual({
      ...key('a', 'retiring'),
      activatedAt: undefined,
      retireAt: T0 + 900,
    })
    expect(await activate('none')).toBe(false)
    expect([
      await b.store.retireKey({ kid: 'b', now: T0 }),
      await b.store.retireKey({ kid: 'b', now: T0 }),
    ]).toEqual([true, false])
    expect(await states(b)).toMatchObject({ b: 'retired' })
  })

  test('tenants are kept by their id', async () => {
    const b = await open()
    await b.store.putTenant({ tid: 't-1', mfaProof: 'amr', connectedAt: T0 })
    await b.store.putTenant({
      tid: 't-1',
      name: 'Contoso',
      mfaProof: 'auth_context:c1',
      idleSeconds: 600,
      connectedAt: T0,
    })
    expect(await b.store.findTenant('t-1')).toMatchObject({
      name: 'Contoso',
      mfaProof: 'auth_context:c1',
      idleSeconds: 600,
      removedAt: undefined,
    })
    expect(await b.store.listTenants()).toHaveLength(1)
    expect(await b.store.findTenant('t-2')).toBeUndefined()
  })

  test('a tenant is removed with the sessions of its users, in one act: of two at once one does it', async () => {
    const b = await open()
    const row = {
      tid: 't-1',
      mfaProof: 'amr',
      connectedAt: T0,
      proofAssertedBy: 'Adam',
      proofAssertedAt: T0,
      consentConfirmedBy: 'Adam',
      consentConfirmedAt: T0,
    }
    await b.store.putTenant(row)
    expect(await b.store.findTenant('t-1')).toMatchObject(row)
    expect(
      await b.store.changeTenant({
        tid: 't-1',
        change: { mfaProof: 'auth_context:c2', proofAssertedBy: 'Olga' },
      }),
    ).toBe(true)
    expect(await b.store.findTenant('t-1')).toMatchObject({
      ...row,
      mfaProof: 'auth_context:c2',
      proofAssertedBy: 'Olga',
    })
    await b.store.changeTenant({ tid: 't-1', change: { mfaProof: 'amr', proofAssertedBy: 'Adam' } })
    const remove = () =>
      b.store.removeTenant({ tid: 't-1', actor: { kind: 'operator', id: 'olga' }, now: T0 + 1 })
    const [first, second] = (await Promise.all([remove(), remove()])).toSorted((a) =>
      a.outcome === 'removed' ? -1 : 1,
    )
    expect(first).toMatchObject({
      outcome: 'removed',
      committed: {
        revocation: { selector: { kind: 'tenant', tid: 't-1' }, reason: 'tenant_removed' },
      },
    })
    expect(second).toEqual({ outcome: 'unknown' })
    expect(await b.store.findTenant('t-1')).toMatchObject({ ...row, removedAt: T0 + 1 })
    expect(await b.store.changeTenant({ tid: 't-1', change: { mfaProof: 'amr' } })).toBe(false)
    expect(
      await b.store.removeTenant({ tid: 't-2', actor: { kind: 'operator', id: 'olga' }, now: T0 }),
    ).toEqual({ outcome: 'unknown' })
  })

  test('a setting is set, unset, or set once', async () => {
    const b = await open()
    await b.store.setSetting('x', '1')
    expect(await b.store.setting('x')).toBe('1')
    await b.store.setSetting('x', undefined)
    expect(await b.store.setting('x')).toBeUndefined()
    expect([
      await b.store.setSettingOnce('y', '1'),
      await b.store.setSettingOnce('y', '2'),
    ]).toEqual(['1', '1'])
    const reseal = (name: string, from: string, to: string) =>
      b.store.resealSetting({ name, from, to })
    expect([
      await reseal('y', '1', '2'),
      await reseal('y', '1', '3'),
      await reseal('none', '1', '2'),
    ]).toEqual([true, false, false])
    expect([await b.store.setting('y'), await b.store.setting('none')]).toEqual(['2', undefined])
  })
})

describe.each(STORES)('the version of the registry, on %s', (_name, make) => {
  const open = benches(make)
  /** Returns by how much an act raises the version. */
  const raisedBy = async (b: Bench, act: () => Promise<unknown>): Promise<number> => {
    const before = await b.registryVersion()
    await act()
    return (await b.registryVersion()) - before
  }

  test('rises with a change of clients and their secrets, and not where nothing changes', async () => {
    const b = await open()
    const remove = () =>
      b.store.removeClient({
        clientId: 'sydney',
        source: 'any',
        actor: { kind: 'operator', id: 'o' },
        now: b.now,
      })
    const add = (clientId: string) =>
      b.store.addClientSecret({ clientId, secret: secret('s-2', T0), now: b.now })
    const acts: [change: () => Promise<unknown>, by: number][] = [
      [() => put(b), 1],
      [() => put(b), 0],
      [() => put(b, { source: 'api', metadata: metadataOf('sydney', { name: 'Another' }) }), 0],
      [() => put(b, { metadata: metadataOf('sydney', { logoutUris: [] }) }), 1],
      [() => add('sydney'), 1],
      [() => add('none'), 0],
      [() => b.store.removeClientSecret({ clientId: 'sydney', secretId: 's-2' }), 1],
      [() => b.store.removeClientSecret({ clientId: 'sydney', secretId: 's-2' }), 0],
      [remove, 1],
      [remove, 0],
    ]
    for (const [act, by] of acts)
      expect([String(act), await raisedBy(b, act)]).toEqual([String(act), by])
  })

  test('rises with a change of tenants, and not where nothing changes', async () => {
    const b = await open()
    const change = (tid: string) =>
      b.store.changeTenant({ tid, change: { mfaProof: 'auth_context:c1' } })
    const remove = () =>
      b.store.removeTenant({ tid: 't-1', actor: { kind: 'operator', id: 'o' }, now: T0 })
    const acts: [change: () => Promise<unknown>, by: number][] = [
      [() => b.store.putTenant({ tid: 't-1', mfaProof: 'amr', connectedAt: T0 }), 1],
      [() => change('t-1'), 1],
      [() => change('t-2'), 0],
      [remove, 1],
      [remove, 0],
      [() => change('t-1'), 0],
    ]
    for (const [act, by] of acts)
      expect([String(act), await raisedBy(b, act)]).toEqual([String(act), by])
  })

  test('rises with a change of signing keys or settings, and not where nothing changes', async () => {
    const b = await open()
    const { store } = b
    const rotation = { kid: 'b', retireAt: T0 + 900, now: T0 }
    const acts: [change: () => Promise<unknown>, by: number][] = [
      [() => store.addKey(key('b', 'next')), 1],
      [() => store.addKey(key('b', 'next')), 0],
      [() => store.activateKey(rotation), 1],
      [() => store.activateKey(rotation), 0],
      [() => store.retireKey({ kid: 'b', now: T0 }), 1],
      [() => store.retireKey({ kid: 'b', now: T0 }), 0],
      [() => store.setSetting('x', '1'), 1],
      [() => store.setSetting('x', '1'), 0],
      [() => store.setSetting('x', undefined), 1],
      [() => store.setSetting('x', undefined), 0],
      [() => store.setSettingOnce('x', '1'), 1],
      [() => store.setSettingOnce('x', '2'), 0],
      [() => store.resealSetting({ name: 'x', from: '1', to: '2' }), 0],
      [() => store.probe(), 0],
      [() => b.signIn('alice'), 0],
    ]
    for (const [act, by] of acts)
      expect([String(act), await raisedBy(b, act)]).toEqual([String(act), by])
  })
})

import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/keys/sealer.ts'
import { openConnection } from '../../src/microsoft/connection.ts'
import { disconnectTenant } from '../../src/microsoft/tenants.ts'
import { ask } from '../../src/operations/contract/ask.ts'
import { createRig, OTHER_TENANT, type Rig, TENANT } from '../rig.ts'

/** A later start of the broker on the same store, with other settings. */
const later = (
  rig: Rig,
  entra: Partial<Rig['config']['entra']> = {},
  changes: Partial<Rig['config']> = {},
) =>
  openConnection({
    ...rig.deps,
    config: { ...rig.config, entra: { ...rig.config.entra, ...entra }, ...changes },
  })
const NONE = { tenants: [], clientId: undefined, credential: undefined }
const olga = { kind: 'operator', id: 'olga' } as const

describe('the connection to Microsoft', () => {
  test('is seeded by the environment of the first start', async () => {
    const rig = await createRig({ config: { mfaProof: { kind: 'amr' } } })
    expect(rig.deps.connection.current()).toMatchObject({
      tenants: [TENANT, OTHER_TENANT],
      operatorTenant: TENANT,
      credentialFrom: 'environment',
    })
    expect(await rig.store.findTenant(TENANT)).toMatchObject({
      mfaProof: 'amr',
      proofAssertedBy: 'BROKER_MFA_PROOF',
    })
    expect(rig.deps.connection.differences()).toEqual([])
  })

  test('a default proof is asserted for no tenant, until the operator sets it for a later start', async () => {
    const rig = await createRig({ config: { mfaProofAsserted: false } })
    const asserted = async () =>
      (await rig.store.listTenants()).map(({ proofAssertedBy }) => proofAssertedBy)
    expect(await asserted()).toEqual([undefined, undefined])
    await rig.store.changeTenant({
      tid: OTHER_TENANT,
      change: { proofAssertedBy: 'Adam', proofAssertedAt: 1 },
    })
    await later(rig, {}, { mfaProof: { kind: 'amr' }, mfaProofAsserted: true })
    expect(await asserted()).toEqual([undefined, 'Adam'])
    await later(rig, {}, { mfaProofAsserted: true })
    expect(await asserted()).toEqual(['BROKER_MFA_PROOF', 'Adam'])
  })

  test('a broker that was first started without settings is seeded by a later start', async () => {
    const rig = await createRig({
      config: {
        entra: { ...NONE, authority: 'https://login.microsoftonline.com', simulated: false },
        operatorTenant: undefined,
      },
    })
    expect(rig.deps.connection.current()).toMatchObject(NONE)
    const connection = await later(rig, { tenants: [TENANT] }, { operatorTenant: TENANT })
    expect(connection.current()).toMatchObject({ tenants: [TENANT], operatorTenant: TENANT })
  })

  test('is the store’s from then on: what the settings say otherwise is reported and not obeyed', async () => {
    const rig = await createRig()
    await disconnectTenant(rig.deps, { tid: OTHER_TENANT, actor: olga, now: rig.clock.now() })
    const connection = await later(
      rig,
      { clientId: '44444444-4444-4444-8444-444444444444' },
      { operatorTenant: OTHER_TENANT },
    )
    expect(connection.current()).toMatchObject({
      tenants: [TENANT],
      clientId: rig.config.entra.clientId,
      operatorTenant: TENANT,
    })
    const said = connection.differences()
    expect(said).toHaveLength(3)
    expect(said[0]).toContain(`BROKER_ENTRA_TENANT names ${OTHER_TENANT}, which is not connected`)
    expect(said[1]).toContain('BROKER_ENTRA_CLIENT_ID')
    expect(said[2]).toContain('BROKER_OPERATOR_TENANT')
    expect(rig.lines.filter((line) => line.includes('settings_differ_from_store'))).toHaveLength(3)
  })

  test('differences are in /readyz and in the findings of doctor', async () => {
    const rig = await createRig()
    await disconnectTenant(rig.deps, { tid: OTHER_TENANT, actor: olga, now: rig.clock.now() })
    const ready = (await (await rig.opsApp.request('/readyz')).json()) as {
      checks: { check: string; found: string }[]
    }
    expect(
      ready.checks.filter(({ check }) => check === 'settings').map(({ found }) => found),
    ).toContainEqual(expect.stringContaining(OTHER_TENANT))
  })

  test('of two readings at once, the later one counts, whichever ends first', async () => {
    const rig = await createRig()
    const store = { ...rig.store }
    const connection = await openConnection({ ...rig.deps, store })
    const rows = await store.listTenants()
    const gate = Promise.withResolvers<typeof rows>()
    store.listTenants = () => gate.promise
    const early = connection.reload()
    store.listTenants = rig.store.listTenants
    await disconnectTenant(
      { ...rig.deps, connection },
      { tid: OTHER_TENANT, actor: olga, now: rig.clock.now() },
    )
    gate.resolve(rows)
    await early
    expect(connection.current().tenants).toEqual([TENANT])
  })

  test('an empty setting is no difference', async () => {
    const rig = await createRig()
    expect((await later(rig, NONE, { operatorTenant: undefined })).differences()).toEqual([])
  })

  test('a credential that was entered is sealed, and gives way to one of the settings', async () => {
    const rig = await createRig()
    await rig.deps.connection.change({ credential: { kind: 'secret', secret: 'typed-in' } })
    expect(rig.deps.connection.current()).toMatchObject({
      credential: { secret: 'entra-secret' },
      credentialFrom: 'environment',
    })
    expect(rig.deps.connection.differences()).toEqual([
      expect.stringContaining('is used; another was entered'),
    ])
    const without = await later(rig, { credential: undefined })
    expect(without.current()).toMatchObject({
      credential: { secret: 'typed-in' },
      credentialFrom: 'store',
    })
    expect(await rig.store.setting('entra/credential')).not.toContain('typed')
  })

  test('a credential is sealed again under a new secret, so that the old one can go; under a lost one it is reported', async () => {
    const rig = await createRig({
      config: {
        entra: { ...NONE, authority: 'https://login.microsoftonline.com', simulated: false },
      },
    })
    await rig.deps.connection.change({ credential: { kind: 'secret', secret: 'typed-in' } })
    const [old] = rig.config.secrets
    const fresh = Buffer.alloc(32, 'another secret of this test 98765')
    const lost = await openConnection({ ...rig.deps, sealer: createSealer([fresh]) })
    expect([lost.current().credential, lost.differences().join()]).toEqual([
      undefined,
      expect.stringContaining('enter it again at /setup'),
    ])
    await openConnection({
      ...rig.deps,
      sealer: createSealer([fresh, old ?? expect.unreachable()]),
    })
    expect(
      (await openConnection({ ...rig.deps, sealer: createSealer([fresh]) })).current().credential,
    ).toEqual({
      kind: 'secret',
      secret: 'typed-in',
    })
  })

  test('a credential that is entered while another broker starts stays', async () => {
    const rig = await createRig({
      config: {
        entra: { ...NONE, authority: 'https://login.microsoftonline.com', simulated: false },
      },
    })
    await rig.deps.connection.change({ credential: { kind: 'secret', secret: 'former' } })
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const store = { ...rig.store }
    store.setting = async (name) => {
      const value = await rig.store.setting(name)
      if (name !== 'entra/credential') return value
      store.setting = rig.store.setting
      asked.resolve()
      await gate.promise
      return value
    }
    const starting = openConnection({ ...rig.deps, store })
    await asked.promise
    await rig.deps.connection.change({ credential: { kind: 'secret', secret: 'typed-in' } })
    gate.resolve()
    expect((await starting).current().credential).toEqual({ kind: 'secret', secret: 'typed-in' })
  })

  test('a tenant that is connected again begins without what was asserted for it before', async () => {
    const rig = await createRig()
    const now = rig.clock.now()
    await rig.store.changeTenant({
      tid: TENANT,
      change: {
        proofAssertedBy: 'Adam',
        proofAssertedAt: now,
        consentConfirmedBy: 'Adam',
        consentConfirmedAt: now,
      },
    })
    await rig.store.setSetting(`setup/consent/${TENANT}`, String(now))
    await disconnectTenant(rig.deps, { tid: TENANT, actor: olga, now })
    const caller = { actor: olga, source: 'broker', via: 'setup', may: 'administer' } as const
    await ask(rig, caller, 'POST /tenants', { tid: TENANT })
    const row = await rig.store.findTenant(TENANT)
    expect(row).toMatchObject({
      mfaProof: 'undecided',
      proofAssertedAt: undefined,
      consentConfirmedAt: undefined,
      removedAt: undefined,
    })
    expect(await rig.store.setting(`setup/consent/${TENANT}`)).toBeUndefined()
  })
})

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { grantRole } from '../../db/postgres/migrate.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import type { DatabaseFacts } from '../../db/types.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { databaseChecks } from '../../src/operations/checks/database.ts'
import { cmb } from '../command/cmb.ts'
import {
  createDatabase,
  createMigrated,
  HAS_POSTGRES,
  type PostgresServer,
  sql,
  startPostgres,
} from '../postgres.ts'
import { createRig, type Rig, type RigOptions } from '../rig.ts'

/** Checks of the database: of both engines whether it commits, of Postgres how it is set up. */

const look = async (rig: Rig, facts: Partial<DatabaseFacts> = {}) => {
  const store = {
    ...rig.store,
    databaseFacts: async () =>
      ({ ...(await rig.store.databaseFacts()), ...facts }) as DatabaseFacts,
  }
  const found = await createChecks({ ...rig.deps, store }, databaseChecks).look({ fresh: true })
  return (id: string) => found.find(({ check }) => check === id)
}
const saying = (words: string | RegExp): unknown => expect.stringMatching(words)

describe('on SQLite', () => {
  test('the only check is whether it commits', async () => {
    const rig = await createRig()
    const found = await createChecks(rig.deps, databaseChecks).look({ fresh: true })
    expect(found.map(({ check, state }) => [check, state])).toEqual([['database', 'ok']])
  })
})

describe.skipIf(!HAS_POSTGRES)('on Postgres', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres({ fsync: 'on' })
    await createMigrated(server)
    await sql(server.url('postgres'), 'CREATE ROLE broker LOGIN')
    await grantRole(server.url('broker'), 'broker')
  })
  afterAll(() => server.stop())

  const broker = (config: RigOptions['config'] = {}) =>
    createRig({
      realTime: true,
      config: { databaseUrl: server.url('broker').replace('postgres@', 'broker@'), ...config },
    })

  test('set up as scale-out.md says, it has no finding', async () => {
    const rig = await broker()
    const found = await createChecks(rig.deps, databaseChecks).look({ fresh: true })
    expect(found.map(({ check, state }) => [check, state])).toEqual(
      databaseChecks.map(({ id }) => [id, 'ok']),
    )
    expect(found.find(({ check }) => check === 'postgres-durability')?.found).toMatch(
      /no standby is required/,
    )
  })

  test('synchronous_commit off has failed: a crash would lose what was confirmed', async () => {
    await sql(server.url('broker'), 'ALTER ROLE broker SET synchronous_commit = off')
    onTestFinished(() => sql(server.url('broker'), 'ALTER ROLE broker RESET synchronous_commit'))
    const of = await look(await broker())
    expect(of('postgres-durability')).toMatchObject({
      state: 'failed',
      fix: saying(/ALTER ROLE <role> SET synchronous_commit = on/),
    })
  })

  test('a server that never syncs its disk fails the check', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const of = await look(
      await createRig({ realTime: true, config: { databaseUrl: database.url } }),
    )
    expect(of('postgres-durability')).toMatchObject({
      state: 'failed',
      found: saying(/^fsync is off/),
    })
  })

  test('where a standby is required: none, one that the role may not see, and a commit that does not wait for it have failed', async () => {
    const rig = await broker()
    const required = {
      ...rig,
      deps: { ...rig.deps, config: { ...rig.config, databaseStandby: 'required' as const } },
    }
    const durability = async (facts: Partial<DatabaseFacts>) =>
      (await look(required, facts))('postgres-durability')
    expect(await durability({})).toMatchObject({
      state: 'failed',
      fix: saying(/^Start the standby/),
    })
    expect(await durability({ seesStandbys: false })).toMatchObject({
      state: 'failed',
      fix: saying(/pg_read_all_stats/),
    })
    expect(await durability({ standby: true, synchronousCommit: 'local' })).toMatchObject({
      state: 'failed',
      found: saying(/a failover loses/),
    })
    expect(await durability({ standby: true })).toMatchObject({ state: 'ok' })
  })

  test('where a standby is required and the role may not see it: cmb migrate --grant and the start name the right, and what gives it', async () => {
    for (const role of ['tables_owner', 'blind'])
      await sql(server.url('postgres'), `CREATE ROLE ${role} LOGIN`)
    await sql(server.url('postgres'), 'CREATE DATABASE owned OWNER tables_owner')
    const as = (role: string): string => server.url('owned').replace('postgres@', `${role}@`)
    const granted = await cmb(['migrate', '--to', as('tables_owner'), '--grant', 'blind'], {
      dataDir: '',
    })
    expect(granted).toMatchObject({
      code: 0,
      err: expect.stringContaining('GRANT pg_read_all_stats TO "blind";') as string,
    })
    const start = () => openPostgresStore({ url: as('blind'), standbyRequired: true })
    await expect(start()).rejects.toThrow(
      /the role blind may not see .* As a superuser: GRANT pg_read_all_stats TO blind\.$/,
    )
    await sql(server.url('postgres'), 'GRANT pg_read_all_stats TO blind')
    await expect(start()).rejects.toThrow(/its synchronous standby answers\.$/)
    // Several brokers start together, as pods of Kubernetes do.
    const again = Array.from({ length: 10 }, () => grantRole(as('tables_owner'), 'blind'))
    expect(await Promise.all(again)).toEqual(again.map(() => undefined))
  })

  test('through which no notification comes back is a warning, and says what to set; other brokers take it for no revocation', async () => {
    // Notifications do not reach the connection that listens, as behind a pooler.
    const of = await look(await broker({ databaseDirectUrl: server.url('postgres') }))
    expect(of('postgres-notifications')).toMatchObject({
      state: 'warning',
      fix: saying(/^Check that BROKER_DATABASE_DIRECT_URL/),
    })
    const [rig, other] = [await broker(), await broker()]
    // A broker checks the log by itself once it listens.
    for (const { store } of [rig, other])
      expect(await store.databaseFacts()).toMatchObject({ notified: true })
    const heard: string[] = []
    rig.store.onElsewhere((what) => heard.push(what))
    for (const { store } of [other, rig])
      expect(await store.databaseFacts()).toMatchObject({ notified: true })
    expect(heard).not.toContain('log')
  })

  test.each([
    [6_000, 'warning', /6\.0 s ahead of/],
    [-31_000, 'failed', /31\.0 s behind/],
  ])('a clock that differs by %i ms', async (clockAheadMs, state, found) => {
    expect((await look(await broker(), { clockAheadMs }))('postgres-clock')).toMatchObject({
      state,
      found: saying(found),
    })
  })

  test('the clocks are compared by what Postgres says', async () => {
    const rig = await createRig({ config: { databaseUrl: server.url('broker') } })
    rig.clock.advance(365 * 86_400 * 20)
    expect((await look(rig))('postgres-clock')).toMatchObject({
      state: 'failed',
      found: saying(/behind the broker/),
    })
  })

  test('a role that owns the tables is a warning', async () => {
    const of = await look(await broker({ databaseUrl: server.url('broker') }))
    expect(of('postgres-rights')).toMatchObject({
      state: 'warning',
      fix: saying(/cmb migrate --grant/),
    })
  })

  test.each([
    [14, 'failed'],
    [15, 'ok'],
    [18, 'ok'],
    [19, 'warning'],
  ])('version %i: %s', async (major, state) => {
    expect(
      (await look(await broker(), { major, version: `${major}.1` }))('postgres-version'),
    ).toMatchObject({ state })
  })

  test('dead row versions of the log’s head are a warning', async () => {
    expect((await look(await broker(), { deadHeads: 10_001 }))('postgres-bloat')).toMatchObject({
      state: 'warning',
      fix: saying(/pg_stat_activity/),
    })
  })

  test('an index that is not built is a warning', async () => {
    const unbuilt = { unbuiltIndexes: ['sessions_open_by_end'] }
    expect((await look(await broker(), unbuilt))('postgres-indexes')).toMatchObject({
      state: 'warning',
      found: saying(/missing or being built: sessions_open_by_end/),
      fix: saying(/cmb migrate/),
    })
  })

  test('that is gone: the database has failed, with what to do about Postgres, and the other checks say that they could not look', async () => {
    const database = await createDatabase()
    const rig = await createRig({ realTime: true, config: { databaseUrl: database.url } })
    await database.drop()
    const found = await createChecks(rig.deps, databaseChecks).look({ fresh: true })
    const of = (id: string) => found.find(({ check }) => check === id)
    expect(of('database')).toMatchObject({ state: 'failed', fix: saying(/BROKER_DATABASE_URL/) })
    expect(of('postgres-durability')).toMatchObject({ state: 'unknown' })
  })
})

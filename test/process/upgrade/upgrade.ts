import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Guard } from '@case-manager/guard'
import { sql, startPostgres } from '../../postgres.ts'
import { type BrokerProcess, until } from '../broker-process.ts'
import { type Cluster, openCluster } from '../cluster/cluster.ts'
import { type Load, startLoad } from '../cluster/load.ts'
import { judge, restart } from '../cluster/restarts.ts'
import { startGuards } from '../guards.ts'
import { ALICE, newBrowser, openWorld, type TestInstance, type TestWorld } from '../world.ts'
import type { Version } from './versions.ts'

/**
 * The upgrade of docs/deploy.md from one version to another while users work, and the way back by
 * the backup that was made before.
 */

export interface UpgradeOptions {
  from: Version
  to: Version
  users: number
  say(words: string): void
}

export interface UpgradeReport {
  store: 'sqlite' | 'postgres'
  requests: number
  /** Failed requests. On SQLite, those during the restart are not counted. */
  failed: number
  failures: readonly string[]
  /** From the end of the former process to the answer of the next one; 0 on Postgres. */
  downMs: number
  signOuts: number
  undelivered: number
  guardsLost: number
}

const GUARDS = 2
/** A request that begins while the broker ends fails within this time after its successor answers. */
const LATE_MS = 1_000

const registration = (city: string) => ({ audience: `urn:test:${city}` })

async function cmb(version: Version, env: Record<string, string>, ...args: string[]) {
  const { stdout } = await promisify(execFile)(process.execPath, [version.cli, ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...env },
  })
  return stdout
}

const inDir = (broker: BrokerProcess): string[] => ['--data-dir', broker.env.BROKER_DATA_DIR ?? '']

const runsFrom = (process: BrokerProcess, { cli }: Version): void => {
  process.program = [cli, ...process.program.slice(1)]
}

async function mustRun(broker: BrokerProcess, { version }: Version): Promise<void> {
  const metrics = await (await fetch(`${broker.ops}/metrics`)).text()
  if (!metrics.includes(`version="${version}"`))
    throw new Error(`A broker is not of version ${version}.`)
}

/** Two sessions from before an upgrade: one stays open, and one was signed out. */
async function openSessions(world: TestWorld) {
  const sydney = world.instances[0] as TestInstance
  world.as(ALICE)
  const [kept, ended] = [newBrowser(), newBrowser()]
  const keptTokens = (await world.signIn(kept, sydney)).tokens
  const endedTokens = (await world.signIn(ended, sydney)).tokens
  await world.signOut(ended, 'device')
  let refreshToken = keptTokens.refresh_token ?? ''
  const rejected = (token: string): Promise<boolean> =>
    world.refresh(sydney, token).then(
      () => false,
      (error: { error?: string }) => error.error === 'invalid_grant',
    )
  return {
    /** Checks that an upgrade has signed out no user, and no ended session is open again. */
    async mustBeAsBefore(): Promise<void> {
      refreshToken = (await world.refresh(sydney, refreshToken)).refresh_token ?? ''
      if (!(await rejected(endedTokens.refresh_token ?? '')))
        throw new Error('A session that was signed out before the upgrade is open.')
    },
    /** Checks that a restored backup has signed out every user, and that they can sign in. */
    async mustHaveEnded(): Promise<void> {
      if (!(await rejected(refreshToken)))
        throw new Error('A session from before the restored backup is open.')
      await world.signIn(newBrowser(), sydney)
    },
  }
}

/** Ends the broker of the newer version, and checks that the older one does not take its database. */
async function mustNotStart(broker: BrokerProcess, from: Version): Promise<void> {
  runsFrom(broker, from)
  const error = await broker.start().then(
    () => undefined,
    (result: Error) => result,
  )
  if (!/newer version/.test(error?.message ?? ''))
    throw new Error('The older version took the database of the newer one.', { cause: error })
}

const atOf = (failure: string): number => Date.parse(failure.split(' ')[0] ?? '')

async function goesOn(load: Load): Promise<void> {
  const before = load.signedOut.length
  await until('users go on', () => load.signedOut.length >= before + 5)
}

export async function upgradeOnSqlite({
  from,
  to,
  users,
  say,
}: UpgradeOptions): Promise<UpgradeReport> {
  const world = await openWorld({ program: [from.cli, 'serve'], registration })
  const { broker } = world
  const guards: Guard[] = []
  let load: Load | undefined
  try {
    const sydney = world.instances[0] as TestInstance
    guards.push(...(await startGuards(world, sydney, { count: GUARDS, name: 'web' })))
    await mustRun(broker, from)
    const sessions = await openSessions(world)
    load = startLoad(world, users)
    await goesOn(load)
    const backup = join(broker.dataDir, 'backup.db')
    await cmb(from, {}, ...inDir(broker), 'backup', backup)

    const askedAtMs = Date.now()
    await broker.end('SIGTERM')
    const endedAtMs = Date.now()
    runsFrom(broker, to)
    await broker.start()
    const startedAtMs = Date.now()
    await mustRun(broker, to)
    await sessions.mustBeAsBefore()
    await goesOn(load)
    await load.stop()
    const unexpected = load.failures.filter(
      (failure) => atOf(failure) < askedAtMs || atOf(failure) > startedAtMs + LATE_MS,
    )
    const judged = await judge({ brokers: [broker], proxyLog: [] }, load, guards)
    say(`SQLite, ${from.version} to ${to.version}: down for ${startedAtMs - endedAtMs} ms.`)

    await broker.end('SIGTERM')
    await mustNotStart(broker, from)
    await cmb(from, {}, ...inDir(broker), 'restore', backup, '--yes')
    await broker.start()
    await mustRun(broker, from)
    await sessions.mustHaveEnded()
    say(`SQLite, back to ${from.version} by the backup.`)
    return {
      ...judged,
      store: 'sqlite',
      failed: unexpected.length,
      failures: unexpected.slice(0, 20),
      downMs: startedAtMs - endedAtMs,
    }
  } finally {
    await load?.stop()
    for (const guard of guards) await guard.stop()
    await world.dispose()
  }
}

async function databaseOf(version: Version) {
  const server = await startPostgres({ fsync: 'on', full_page_writes: 'on' })
  await sql(server.url('postgres'), 'CREATE DATABASE broker')
  const url = server.url('broker')
  await cmb(version, {}, 'migrate', '--to', url)
  return { server, url }
}

/** Restores the backup into a new database, and starts the older version on it. */
async function goBack(cluster: Cluster, from: Version, backup: string): Promise<void> {
  const { brokers, workers, postgres } = cluster
  const [first] = brokers as [BrokerProcess]
  const all = [...brokers, ...workers]
  await Promise.all(all.map((broker) => broker.end('SIGTERM')))
  await mustNotStart(first, from)
  await sql(postgres.url('postgres'), 'CREATE DATABASE broker_restored')
  const url = postgres.url('broker_restored')
  await cmb(from, {}, 'migrate', '--to', url)
  await cmb(from, first.env, 'restore', backup, '--to', url, '--yes')
  for (const broker of all) {
    broker.env.BROKER_DATABASE_URL = url
    rmSync(join(broker.env.BROKER_DATA_DIR ?? '', 'postgres.mark'), { force: true })
    runsFrom(broker, from)
  }
  await Promise.all(all.map((broker) => broker.start()))
  await until(
    'the proxy passes requests on',
    async () => (await fetch(`${first.issuer}/healthz`)).ok,
  )
  await mustRun(first, from)
}

export async function upgradeOnPostgres({
  from,
  to,
  users,
  say,
}: UpgradeOptions): Promise<UpgradeReport> {
  const cluster = await openCluster({
    registration,
    database: () => databaseOf(from),
    prepare: async (process) => runsFrom(process, from),
  })
  const { world, brokers, workers, databaseUrl } = cluster
  const guards: Guard[] = []
  let load: Load | undefined
  try {
    const sydney = world.instances[0] as TestInstance
    guards.push(...(await startGuards(world, sydney, { count: GUARDS, name: 'web' })))
    const sessions = await openSessions(world)
    load = startLoad(world, users)
    await goesOn(load)
    const backup = join(world.broker.dataDir, 'backup.db')
    await cmb(from, world.broker.env, ...inDir(world.broker), 'backup', backup)

    say((await cmb(to, {}, 'migrate', '--to', databaseUrl)).trim())
    await goesOn(load)
    for (const broker of [...brokers, ...workers]) {
      runsFrom(broker, to)
      await restart(broker, cluster)
    }
    for (const broker of [...brokers, ...workers]) await mustRun(broker, to)
    await sessions.mustBeAsBefore()
    await goesOn(load)
    await load.stop()
    const judged = await judge(cluster, load, guards)
    say(
      `Postgres, ${from.version} to ${to.version}: ${judged.failed} of ${judged.requests} requests failed.`,
    )

    await goBack(cluster, from, backup)
    await sessions.mustHaveEnded()
    say(`Postgres, back to ${from.version} by the backup.`)
    return { ...judged, store: 'postgres', downMs: 0 }
  } finally {
    await load?.stop()
    for (const guard of guards) await guard.stop()
    await cluster.close()
  }
}

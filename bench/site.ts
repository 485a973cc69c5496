import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Entra, startEntra } from '../demo/entra/entra.ts'
import { CONTOSO, FABRIKAM } from '../demo/entra/users.ts'
import { applicationOf, environmentOf } from '../demo/environment.ts'
import { openSqliteStore } from '../db/sqlite/store.ts'
import { basicOf, type Instance } from './agent.ts'
import { seed, type Size } from './bounded-seed.ts'
import { cpuSeconds } from './machine.ts'
import { freePort, waitFor } from './stage.ts'

/**
 * The broker in a process of its own, as an operator starts it, with a simulated Microsoft and a
 * queue server that both answer before it is started.
 */

export interface Site {
  url: string
  ops: string
  pid: number
  instances: Instance[]
  /** The time from the command to the first 200 at /readyz. */
  readyMs: number
  readyCpuSeconds: number
  stop(): Promise<void>
}

/** Users of the simulated Microsoft who have MFA. */
export const USERS = ['alice', 'bob'].map((name) => `${name}@${CONTOSO.domain}`)
export const OPERATOR = `olivia@${CONTOSO.domain}`

/** The flags with which `npm start` starts the broker. */
export function nodeFlags(root: string): string[] {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  return scripts.start.split(' ').filter((word) => word.startsWith('--'))
}

export interface World {
  entra: Entra
  dir: string
  queueUrl: string
  ports: { issuer: number; ops: number }
  close(): Promise<void>
}

/**
 * Starts the simulator of Entra and a queue server.
 * @throws Error if no redis-server is installed
 */
export async function openWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-site-'))
  const ports = { issuer: await freePort(), ops: await freePort() }
  const issuer = `http://localhost:${ports.issuer}`
  const entra = await startEntra({ port: 0, apps: [applicationOf(issuer)] })
  entra.auto('*')
  const port = await freePort()
  const queue = spawn('redis-server', ['--port', String(port), '--dir', dir, '--save', ''], {
    stdio: 'ignore',
  })
  await new Promise((started, failed) => queue.once('spawn', started).once('error', failed))
  await waitFor('the queue server to answer', () => answersAt(port))
  return {
    entra,
    dir,
    queueUrl: `redis://127.0.0.1:${port}`,
    ports,
    async close() {
      queue.kill()
      await entra.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

const answersAt = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), done(true)))
    socket.once('error', () => done(false))
  })

/**
 * Starts the built broker of a checkout.
 * @param root the checkout
 * @param size the rows that its store already has
 */
export async function startSite(
  world: World,
  options: {
    root: string
    core?: string | undefined
    clients?: number
    size?: Size
    say?: (line: string) => void
  },
): Promise<Site> {
  const { root, core, clients = 1, size, say } = options
  const dataDir = mkdtempSync(join(world.dir, 'data-'))
  if (size !== undefined) await withHistory(join(dataDir, 'broker.db'), size, say)
  const instances = Array.from({ length: clients }, (_, n) => ({
    clientId: `instance-${n}`,
    secret: `cms_${randomBytes(32).toString('base64url')}`,
    redirectUri: `http://127.0.0.1:9/${n}/callback`,
  }))
  const clientsFile = join(dataDir, 'clients.json')
  writeFileSync(clientsFile, JSON.stringify({ clients: instances.map(entryOf) }), { mode: 0o600 })
  const url = `http://localhost:${world.ports.issuer}`
  const ops = `http://localhost:${world.ports.ops}`
  const env = {
    PATH: process.env.PATH ?? '',
    ...environmentOf({
      issuer: url,
      port: world.ports.issuer,
      operatorsPort: world.ports.ops,
      dataDir,
      clientsFile,
      authority: world.entra.authority,
      tenants: [CONTOSO.tid, FABRIKAM.tid],
    }),
    BROKER_QUEUE_URL: world.queueUrl,
  }
  const begunMs = performance.now()
  const command = [...nodeFlags(root), join(root, 'dist', 'src', 'cli.js'), 'serve']
  const [program, args] =
    core === undefined
      ? [process.execPath, command]
      : ['taskset', ['-c', core, process.execPath, ...command]]
  const child: ChildProcess = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const pid = child.pid ?? 0
  for (;;) {
    if (child.exitCode !== null) throw new Error(`The broker ended (${child.exitCode}).`)
    const ready = await fetch(`${ops}/readyz`).catch(() => undefined)
    await ready?.body?.cancel()
    if (ready?.status === 200) break
    await sleep(5)
  }
  return {
    url,
    ops,
    pid,
    instances,
    readyMs: performance.now() - begunMs,
    readyCpuSeconds: cpuSeconds(pid),
    async stop() {
      const ended = new Promise((done) => child.once('exit', done))
      if (child.exitCode === null) child.kill('SIGTERM')
      await ended
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const entryOf = ({ clientId, secret, redirectUri }: Instance) => ({
  client_id: clientId,
  client_name: clientId,
  redirect_uris: [redirectUri],
  client_secret_hash: createHash('sha256').update(secret).digest('base64url'),
})

async function withHistory(
  file: string,
  size: Size,
  say: ((line: string) => void) | undefined,
): Promise<void> {
  mkdirSync(join(file, '..'), { recursive: true })
  await (await openSqliteStore({ file })).close()
  seed(file, size, { now: Math.floor(Date.now() / 1000), say })
}

/** A guard's stream, live. */
export function follow(site: Site, instance: Instance, guard: string): Promise<Socket> {
  const { port, host } = new URL(site.url)
  return new Promise((live, failed) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(
        `GET /revocations?guard=${guard} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${basicOf(instance)}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    )
    socket
      .setEncoding('utf8')
      .on('data', (text: string) => void (text.includes('event: live') && live(socket)))
      .once('error', failed)
      .once('close', () => failed(new Error('The feed closed a stream before it was live.')))
  })
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024
}

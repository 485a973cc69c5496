import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Entra, startEntra } from '../../demo/entra/entra.ts'
import { CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import { applicationOf, environmentOf } from '../../demo/environment.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Instance } from '../clients/agent.ts'
import { seed, type Size } from './seed.ts'
import { brokerFlags, cpuSeconds } from '../machine/machine.ts'
import { end } from './process.ts'
import { QueueProcess } from './queue.ts'
import { basic, freePort } from './stage.ts'

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
export const ADMINISTRATOR = `adam@${CONTOSO.domain}`

const ROOT = join(import.meta.dirname, '..', '..', '..')

/** Starts the built broker as `npm start` does. */
export const spawnBroker = (env: Record<string, string>): ChildProcess =>
  spawn(process.execPath, [...brokerFlags(), join(ROOT, 'dist', 'src', 'cli.js'), 'serve'], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })

export interface World {
  entra: Entra
  dir: string
  url: string
  ops: string
  /** Returns the settings of the broker. */
  settings(dataDir: string, clientsFile?: string): Record<string, string>
  close(): Promise<void>
}

/**
 * Starts the simulator of Entra and a queue server.
 * @throws Error if no redis-server is installed
 */
export async function openWorld(): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-site-'))
  const [port, operatorsPort] = [await freePort(), await freePort()]
  const [issuer, ops] = [`http://localhost:${port}`, `http://localhost:${operatorsPort}`]
  const entra = await startEntra({ port: 0, apps: [applicationOf(issuer)] })
  entra.auto('*')
  const queue = await QueueProcess.open(await freePort())
  return {
    entra,
    dir,
    url: issuer,
    ops,
    settings: (dataDir, clientsFile = '') => ({
      ...environmentOf({
        issuer,
        port,
        operatorsPort,
        dataDir,
        clientsFile,
        authority: entra.authority,
        tenants: [CONTOSO.tid, FABRIKAM.tid],
      }),
      BROKER_QUEUE_URL: queue.url,
    }),
    async close() {
      await queue.close()
      await entra.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/**
 * Starts the built broker.
 * @param size the rows that its store already has
 */
export async function startSite(
  world: World,
  options: { clients?: number; size?: Size; say?: (line: string) => void } = {},
): Promise<Site> {
  const { clients = 1, size, say } = options
  const dataDir = mkdtempSync(join(world.dir, 'data-'))
  if (size !== undefined) await withHistory(join(dataDir, 'broker.db'), size, say)
  const instances = Array.from({ length: clients }, (_, n) => ({
    clientId: `instance-${n}`,
    secret: `cms_${randomBytes(32).toString('base64url')}`,
    redirectUri: `http://127.0.0.1:9/${n}/callback`,
  }))
  const clientsFile = join(dataDir, 'clients.json')
  writeFileSync(clientsFile, JSON.stringify({ clients: instances.map(entryOf) }), { mode: 0o600 })
  const { url, ops } = world
  const begunMs = performance.now()
  const child = spawnBroker(world.settings(dataDir, clientsFile))
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
      await end(child)
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

export const basicOf = ({ clientId, secret }: Instance): string => basic(clientId, secret)

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? Number.NaN) / 1024
}

import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { makeDirectory, type DemoDirectory } from '../../demo/directory.ts'
import { startEntra } from '../../demo/entra/entra.ts'
import { TENANTS, USERS, PERSONAL } from '../../demo/entra/users.ts'
import { applicationOf, environmentOf } from '../../demo/environment.ts'
import { Closing } from '../../src/runtime/closing.ts'
import { loadConfig } from '../../src/config/config.ts'
import { createLog, type Log } from '../../src/runtime/log.ts'
import { startBroker } from '../../src/start.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import type { BrokerOptions, Facts } from './api.ts'
import { openClients } from './clients.ts'
import { serveControl } from './control.ts'
import { createMemoryQueue } from './memory-queue.ts'
import { readUsers, readUsersFile, type Directory } from './users-file.ts'

/**
 * Runs the broker, the simulated Microsoft and the control listener in this process. Everything
 * they write is in one temporary directory.
 */

export interface Running {
  facts: Facts
  stop(): Promise<void>
}

interface Ports {
  broker: number
  operators: number
  microsoft: number
  control: number
}

const TRIES = 5

/**
 * Starts the broker, the simulated Microsoft and the control listener.
 * @param say receives problems while the broker runs, and the clients that changed
 * @throws Error with a message for the developer
 */
export async function run(options: BrokerOptions, say: (text: string) => void): Promise<Running> {
  for (let tries = 1; ; tries++) {
    try {
      return await start(options, say)
    } catch (error) {
      // Another program can take a free port before the broker listens on it.
      if (options.port !== undefined || tries === TRIES || !isPortTaken(error)) throw error
    }
  }
}

function isPortTaken(error: unknown): boolean {
  const { cause, code } = error as { cause?: { code?: string }; code?: string }
  return (code ?? cause?.code) === 'EADDRINUSE'
}

async function start(options: BrokerOptions, say: (text: string) => void): Promise<Running> {
  const directory = directoryOf(options.users)
  const log = createLog(speaking(say), systemClock.nowMs)
  const closing = new Closing(log)
  try {
    const dir = makeDirectory()
    closing.add('directory', async () => dir.remove())
    const ports = await portsOf(options.port)
    const issuer = `http://localhost:${ports.broker}`
    const entra = await startEntra({
      port: ports.microsoft,
      ...directory,
      apps: [applicationOf(issuer)],
    })
    closing.add('Microsoft', () => entra.close())
    const clients = await openClients(options.clients, dir.path, say)
    closing.add('clients', async () => clients.close())
    const env = environment({
      dir,
      ports,
      issuer,
      authority: entra.authority,
      directory,
      clientsFile: clients.file,
    })
    const broker = await startBroker(configOf({ ...env, ...options.settings }), log, {
      queue: createMemoryQueue(),
    })
    closing.add('broker', () => broker.stop())
    const control = await serveControl({ deps: broker.deps, entra, clients, issuer }, ports.control)
    closing.add('control', () => control.close())
    const { url, header, secret } = control
    const facts: Facts = {
      issuer,
      operators: `http://localhost:${ports.operators}`,
      microsoft: entra.origin,
      control: { url, header, secret },
      clients: clients.known().map((client) => ({
        client_id: client.clientId,
        ...(client.secret !== undefined && { client_secret: client.secret }),
      })),
      users: entra.world.users().map(({ upn }) => upn),
    }
    return { facts, stop: () => closing.run() }
  } catch (error) {
    await closing.run()
    throw error
  }
}

function directoryOf(users: BrokerOptions['users']): Directory {
  if (users === undefined) return { tenants: TENANTS, users: USERS }
  return typeof users === 'string' ? readUsersFile(users) : readUsers(users)
}

/**
 * Returns the config. Throws for a setting that the broker would ignore with a warning, because a
 * test relies on each one.
 */
function configOf(env: Record<string, string>): ReturnType<typeof loadConfig> {
  const config = loadConfig(env)
  if (config.warnings.length === 0) return config
  throw new Error(config.warnings.map(({ name, problem }) => `${name} ${problem}.`).join('\n'))
}

interface Place {
  dir: DemoDirectory
  ports: Ports
  issuer: string
  authority: string
  directory: Directory
  clientsFile: string
}

const environment = ({ dir, ports, issuer, authority, directory, clientsFile }: Place) => ({
  ...environmentOf({
    issuer,
    port: ports.broker,
    operatorsPort: ports.operators,
    dataDir: dir.data,
    clientsFile,
    authority,
    tenants: directory.tenants.map(({ tid }) => tid).filter((tid) => tid !== PERSONAL.tid),
  }),
  // The default limit is for users; a test suite signs in far more often.
  BROKER_RATE_AUTHORIZE: '1000/s:100000',
})

async function portsOf(first: number | undefined): Promise<Ports> {
  if (first !== undefined && (!Number.isInteger(first) || first < 1024 || first > 65_532))
    throw new Error('port must be a number from 1024 to 65532, for example 7400.')
  if (first !== undefined)
    return { broker: first, operators: first + 1, microsoft: first + 2, control: first + 3 }
  const [broker = 0, operators = 0] = await freePorts(2)
  return { broker, operators, microsoft: 0, control: 0 }
}

/** Returns free port numbers. The broker has to know its own address before it listens. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

/**
 * Returns a log writer that passes on only what a developer needs: warnings, errors and later
 * changes of the clients file. It leaves out information and the results of checks.
 */
function speaking(say: (text: string) => void): Parameters<typeof createLog>[0] {
  let applied = 0
  return (line) => {
    const {
      at: _at,
      level,
      event,
      ...fields
    } = JSON.parse(line) as {
      at: string
      level: keyof Log
      event: string
      clients?: number
      changed?: string[]
    }
    if (event === 'clients_file_applied') {
      if (applied++ > 0)
        say(
          `The clients file was applied: ${fields.clients} clients, changed: ${fields.changed?.join(', ') || 'none'}.`,
        )
    } else if (level !== 'info' && !event.startsWith('check_'))
      say(`${level}: ${event} ${JSON.stringify(fields)}`)
  }
}

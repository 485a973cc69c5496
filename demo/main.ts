import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { runBroker, type RunningBroker } from './broker.ts'
import { registrationOf, startCaseManager } from './case-manager/server.ts'
import { startEntra, type Entra } from './entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM } from './entra/people.ts'
import { HELP, readOptions, type DemoOptions, type DemoPorts } from './options.ts'

/**
 * `npm run demo`: the real broker with its workers in a process of its own, and beside it, in this one, what stands in for the world around it:
 * a simulated Microsoft and two Case Manager instances. Secrets are new at each start; whatever it writes goes with it.
 */

interface Instance {
  name: string
  clientId: string
  clientSecret: string
  port: number
  url: string
}

const localhost = (port: number): string => `http://localhost:${port}`

function instancesOf(ports: DemoPorts): Instance[] {
  return (['Sydney', 'Melbourne'] as const).map((city) => {
    const port = city === 'Sydney' ? ports.sydney : ports.melbourne
    return {
      name: `Case Manager ${city}`,
      clientId: city.toLowerCase(),
      clientSecret: `cms_${randomBytes(32).toString('base64url')}`,
      port,
      url: localhost(port),
    }
  })
}

/** @throws with the port and what to do, where something answers there already */
async function checkPorts(ports: DemoPorts): Promise<void> {
  const taken = await Promise.all(
    Object.values(ports).map(
      (port: number) =>
        new Promise<number[]>((done) => {
          const socket = createConnection({ port, host: '127.0.0.1' })
          socket.once('connect', () => (socket.destroy(), done([port])))
          socket.once('error', () => done([]))
        }),
    ),
  )
  const list = taken.flat()
  if (list.length > 0) throw new Error(`Something else uses port ${list.join(' and ')}. Stop it, or move the demo: DEMO_PORT_BASE=8400 npm run demo`)
}

function writeClientsFile(dir: string, instances: readonly Instance[], further: readonly Record<string, unknown>[]): string {
  const file = join(dir, 'clients.yaml')
  const ours = instances.map((one) => ({
    client_id: one.clientId,
    ...registrationOf(one.name, one.url),
    client_secret_hash: createHash('sha256').update(one.clientSecret).digest('base64url'),
  }))
  writeFileSync(file, stringify({ clients: [...ours, ...further] }), { mode: 0o600 })
  return file
}

function brokerEnvironment(dir: string, clientsFile: string, ports: DemoPorts): Record<string, string> {
  return {
    BROKER_ISSUER: localhost(ports.broker),
    BROKER_LISTEN: `127.0.0.1:${ports.broker}`,
    BROKER_OPS_LISTEN: `127.0.0.1:${ports.ops}`,
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATA_DIR: dir,
    BROKER_CLIENTS_FILE: clientsFile,
    BROKER_ALLOW_LOOPBACK_TARGETS: 'yes',
    BROKER_ENTRA_AUTHORITY: localhost(ports.microsoft),
    BROKER_ENTRA_SIMULATED: 'yes',
    BROKER_ENTRA_TENANT: `${CONTOSO.tid},${FABRIKAM.tid}`,
    BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
    BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
    BROKER_OPERATOR_TENANT: CONTOSO.tid,
    // What ends sessions from Microsoft's side, quick enough to be watched.
    BROKER_PROBE_MINUTES: '1',
    BROKER_GRAPH: 'yes',
    BROKER_GRAPH_ORIGIN: `${localhost(ports.microsoft)}/graph/v1.0`,
    BROKER_MFA_PROOF: 'auth_context:c1',
  }
}

function describe(options: DemoOptions, entra: Entra, instances: readonly Instance[], queue: string) {
  return {
    issuer: localhost(options.ports.broker),
    ops: localhost(options.ports.ops),
    microsoft: entra.origin,
    people: entra.world.people().map(({ upn, password, note }) => ({ upn, password, note })),
    instances: instances.map((one) => {
      const { redirect_uris: redirects, backchannel_logout_uris: logouts } = registrationOf(one.name, one.url)
      return {
        name: one.name,
        url: one.url,
        client_id: one.clientId,
        client_secret: one.clientSecret,
        redirect_uri: redirects[0],
        backchannel_logout_uri: logouts[0],
      }
    }),
    queue,
    store: 'sqlite',
  }
}

function tell(facts: ReturnType<typeof describe>): string {
  const wide = Math.max(...facts.people.map((one) => one.upn.length))
  const [sydney, melbourne] = facts.instances
  return `
Case Manager Identity Broker, the demo. Everything runs on this machine; Microsoft is simulated.

  ${sydney?.name.padEnd(24)} ${sydney?.url}
  ${melbourne?.name.padEnd(24)} ${melbourne?.url}
  ${'Broker'.padEnd(24)} ${facts.issuer}/account
  ${'Operators'.padEnd(24)} ${facts.ops}/readyz
  ${'Simulated Microsoft'.padEnd(24)} ${facts.microsoft}
  ${'Queue, store'.padEnd(24)} ${facts.queue}, ${facts.store}

Who can sign in (the number to approve is shown on the page):

${facts.people.map((one) => `  ${one.upn.padEnd(wide)}  ${one.password}  ${one.note}`).join('\n')}

What to try:

  1. Open Sydney and sign in as ${facts.people[0]?.upn}. Open Melbourne: you are signed in there without a page.
  2. With both open, sign out everywhere at one. The other page says so at once.
  3. Disable somebody at the simulated Microsoft (its first page has the buttons) and try to sign in.
  4. Stop and start parts: what an instance is owed, it gets.

Bring your own client: npm run demo -- --clients FILE. For scripts: npm run demo -- --json. Ctrl-C ends everything.
`
}

/** Everything that runs, ended in the opposite order. */
class Running {
  readonly #steps: (() => unknown)[] = []
  add(close: () => unknown): void {
    this.#steps.push(close)
  }
  async end(): Promise<void> {
    for (const close of this.#steps.splice(0).reverse()) await Promise.resolve(close()).catch(() => undefined)
  }
}

async function start(options: DemoOptions, running: Running): Promise<RunningBroker> {
  const { ports } = options
  await checkPorts(ports)
  const dir = mkdtempSync(join(tmpdir(), 'cmb-demo-'))
  running.add(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  const instances = instancesOf(ports)
  const entra = await startEntra({
    port: ports.microsoft,
    apps: [
      {
        redirectUris: [`${localhost(ports.broker)}/signin/callback`, `${localhost(ports.broker)}/logout/return`],
        logoutUrl: `${localhost(ports.broker)}/signal/microsoft/front-channel-logout`,
      },
    ],
  })
  running.add(() => entra.close())
  const clientsFile = writeClientsFile(dir, instances, options.furtherClients)
  const broker = await runBroker(brokerEnvironment(dir, clientsFile, ports), (line) => {
    if (!options.json && /"level":"(?:warn|error)"/.test(line) && !line.includes('microsoft_is_simulated')) process.stderr.write(`broker: ${line}\n`)
  })
  running.add(() => broker.stop())
  for (const one of instances) {
    const other = instances.find((candidate) => candidate !== one)
    const instance = await startCaseManager({
      name: one.name,
      port: one.port,
      url: one.url,
      issuer: localhost(ports.broker),
      clientId: one.clientId,
      clientSecret: one.clientSecret,
      ...(other === undefined ? {} : { other: { name: other.name, url: other.url } }),
    })
    running.add(() => instance.close())
  }
  const facts = describe(options, entra, instances, broker.queue)
  process.stdout.write(options.json ? `${JSON.stringify(facts)}\n` : tell(facts))
  return broker
}

async function main(): Promise<number> {
  let options: DemoOptions
  try {
    options = readOptions(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
    return 2
  }
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const running = new Running()
  const asked = new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done())
  })
  if (!options.json) process.stderr.write('Starting…\n')
  try {
    const starting = start(options, running)
    const broker = await Promise.race([starting, asked])
    if (broker === undefined) await starting.catch(() => undefined)
    else {
      const why = await Promise.race([asked.then(() => 'asked' as const), broker.ended])
      if (why !== 'asked') throw new Error(`The broker ended by itself (${why ?? 'killed'}). Start the demo again.`)
    }
    if (!options.json) process.stderr.write('\nEnding…\n')
    await running.end()
    return 0
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    await running.end()
    return 1
  }
}

process.exitCode = await main()

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { runBroker, runCommand } from './broker.ts'
import { registrationOf, startCaseManager } from './case-manager/server.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { followFurtherClients, readFurtherClients } from './clients.ts'
import { makeDirectory, type DemoDirectory } from './directory.ts'
import { endingAsked } from './ending.ts'
import { startEntra } from './entra/entra.ts'
import { CONTOSO, FABRIKAM } from './entra/users.ts'
import { applicationOf, environmentOf } from './environment.ts'
import { factsOf, localhost, tell, type Instance } from './facts.ts'
import { clusterPorts, HELP, readOptions, type DemoOptions, type DemoPorts } from './options.ts'

/**
 * `npm run demo`: the real broker with its workers in its own process and, in this process, the
 * world around it: a simulated Microsoft and two Case Manager instances. Secrets are new at each
 * start; the files that it writes are removed at the end.
 */

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

/**
 * Checks that all ports are free.
 * @throws with the port and what to do, where another program listens
 */
async function checkPorts({ ports, cluster }: DemoOptions): Promise<void> {
  const taken = await Promise.all(
    Object.values(cluster ? { ...ports, ...clusterPorts(ports) } : ports).map(
      (port: number) =>
        new Promise<number[]>((done) => {
          const socket = createConnection({ port, host: '127.0.0.1' })
          socket.once('connect', () => (socket.destroy(), done([port])))
          socket.once('error', () => done([]))
        }),
    ),
  )
  const list = taken.flat()
  if (list.length > 0)
    throw new Error(
      `Something else uses port ${list.join(' and ')}. Stop it, or move the demo: DEMO_PORT_BASE=${ports.broker + (ports.broker < 60_000 ? 1000 : -1000)} npm run demo`,
    )
}

/** Writes the file under another name first, so that the broker never reads a part of it. */
function writeClientsFile(
  dir: string,
  instances: readonly Instance[],
  further: readonly Record<string, unknown>[],
): string {
  const file = join(dir, 'clients.yaml')
  const ours = instances.map((instance) => ({
    client_id: instance.clientId,
    ...registrationOf(instance.name, instance.url),
    client_secret_hash: createHash('sha256').update(instance.clientSecret).digest('base64url'),
  }))
  writeFileSync(`${file}.new`, stringify({ clients: [...ours, ...further] }), { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return file
}

function brokerEnvironment(
  { path, data }: DemoDirectory,
  clientsFile: string,
  { ports, issuer, signalIssuersFile }: DemoOptions,
): Record<string, string> {
  const { broker: port, ops: operatorsPort, microsoft } = ports
  return {
    TMPDIR: path,
    BROKER_TRANSLATION_FILES: languageFiles().join(','),
    ...(issuer.startsWith('https:') && { BROKER_TRUSTED_PROXIES: '127.0.0.1/32' }),
    ...(signalIssuersFile !== undefined && { BROKER_SIGNAL_ISSUERS_FILE: signalIssuersFile }),
    ...environmentOf({
      issuer,
      port,
      operatorsPort,
      dataDir: data,
      clientsFile,
      authority: localhost(microsoft),
      tenants: [CONTOSO.tid, FABRIKAM.tid],
    }),
  }
}

/** Returns the files of `languages`, whether the demo runs from its source or from `dist`. */
function languageFiles(): string[] {
  const folder =
    ['../languages', '../../languages']
      .map((path) => join(import.meta.dirname, path))
      .find((path) => existsSync(path)) ?? ''
  return readdirSync(folder).map((name) => join(folder, name))
}

/** Everything that runs, for closing in the opposite order. */
class Running {
  readonly #steps: (() => unknown)[] = []
  add(close: () => unknown): void {
    this.#steps.push(close)
  }
  async end(): Promise<void> {
    for (const close of this.#steps.splice(0).reverse())
      await Promise.resolve(close()).catch(() => undefined)
  }
}

function follow(
  file: string,
  dir: DemoDirectory,
  instances: readonly Instance[],
  running: Running,
): void {
  const following = followFurtherClients(
    file,
    instances.map((instance) => instance.clientId),
    {
      apply: (clients) => void writeClientsFile(dir.path, instances, clients),
      say: (line) => void process.stderr.write(`${line}\n`),
    },
  )
  running.add(() => following.close())
}

/** Starts one broker, or two behind a proxy, at the same addresses. */
async function startBrokers(
  { dir, clientsFile, options }: { dir: DemoDirectory; clientsFile: string; options: DemoOptions },
  running: Running,
): Promise<Pick<Cluster, 'queue' | 'ended'> & Partial<Cluster>> {
  const environment = brokerEnvironment(dir, clientsFile, options)
  const onLine = (line: string): void => {
    if (/"level":"(?:warn|error)"/.test(line) && !line.includes('microsoft_is_simulated'))
      process.stderr.write(`broker: ${line}\n`)
  }
  if (options.cluster) {
    const say = (text: string): void => void (options.json || process.stderr.write(`${text}\n`))
    return startCluster({
      dir,
      ports: options.ports,
      environment,
      onLine,
      say,
      add: (close) => running.add(close),
    })
  }
  const broker = await runBroker(environment, onLine)
  running.add(() => broker.stop())
  return broker
}

/** Names the tenants, and lets users with the app role in Fabrikam administer its users. */
async function changeTenants(data: string): Promise<void> {
  const change = ({ tid, name }: typeof CONTOSO, ...options: string[]) =>
    runCommand(['tenants', 'change', tid, '--name', name, ...options], { BROKER_DATA_DIR: data })
  await Promise.all([change(CONTOSO), change(FABRIKAM, '--administrators', 'app_role')])
}

async function start(options: DemoOptions, running: Running): Promise<Pick<Cluster, 'ended'>> {
  const { ports, issuer } = options
  const instances = instancesOf(ports)
  const taken = instances.map((instance) => instance.clientId)
  const further =
    options.clientsFile === undefined ? [] : await readFurtherClients(options.clientsFile, taken)
  await checkPorts(options)
  const dir = makeDirectory()
  running.add(() => dir.remove())
  const entra = await startEntra({ port: ports.microsoft, apps: [applicationOf(issuer)] })
  running.add(() => entra.close())
  const clientsFile = writeClientsFile(dir.path, instances, further)
  if (options.clientsFile !== undefined) follow(options.clientsFile, dir, instances, running)
  const broker = await startBrokers({ dir, clientsFile, options }, running)
  await Promise.all([
    changeTenants(dir.data),
    ...instances.map(async (started) => {
      const other = instances.find((candidate) => candidate !== started)
      const { name, port, url, clientId, clientSecret } = started
      const linked = other === undefined ? {} : { other: { name: other.name, url: other.url } }
      const instance = await startCaseManager({
        name,
        port,
        url,
        issuer,
        clientId,
        clientSecret,
        ...linked,
      })
      running.add(() => instance.close())
    }),
  ])
  const facts = factsOf({
    ports,
    issuer,
    entra,
    instances,
    further: further.map((client) => String(client['client_id'])),
    queue: broker.queue,
    dataDir: dir.data,
    brokers: broker.brokers,
  })
  process.stdout.write(options.json ? `${JSON.stringify(facts)}\n` : tell(facts))
  return broker
}

async function main(): Promise<number> {
  let options: DemoOptions
  try {
    options = readOptions(process.argv.slice(2), process.env)
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\nAll options: npm run demo -- --help\n`,
    )
    return 2
  }
  if (options.help) {
    process.stdout.write(HELP)
    return 0
  }
  const running = new Running()
  const asked = endingAsked()
  if (!options.json) process.stderr.write('Starting…\n')
  try {
    const starting = start(options, running)
    const broker = await Promise.race([starting, asked])
    if (broker === undefined) await starting.catch(() => undefined)
    else {
      const why = await Promise.race([asked.then(() => 'asked' as const), broker.ended])
      if (why !== 'asked')
        throw new Error(`The broker ended by itself (${why ?? 'killed'}). Start the demo again.`)
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

import type { DemoPorts } from './options.ts'
import type { Entra } from './entra/entra.ts'
import { registrationOf } from './case-manager/server.ts'

/** The demo's description of itself: words for users, one line for scripts. */

/** One of the brokers of `--cluster`. */
export interface ClusterBroker {
  name: string
  pid: number
  /** Its own address, without the proxy. */
  url: string
  ops: string
  data_dir: string
}

export interface Instance {
  name: string
  clientId: string
  clientSecret: string
  port: number
  url: string
}

export const localhost = (port: number): string => `http://localhost:${port}`

interface Parts {
  ports: DemoPorts
  issuer: string
  entra: Entra
  instances: readonly Instance[]
  /** The ids of the clients of `--clients`. */
  further: readonly string[]
  queue: string
  dataDir: string
  /** The brokers of `--cluster`; undefined without it. */
  brokers: ClusterBroker[] | undefined
}

export function factsOf(parts: Parts) {
  const { ports, issuer, entra, instances, further, queue, dataDir, brokers } = parts
  return {
    issuer,
    ops: localhost(ports.ops),
    microsoft: entra.origin,
    users: entra.world.users().map(({ upn, password, note }) => ({ upn, password, note })),
    instances: instances.map((instance) => {
      const { redirect_uris: redirects, backchannel_logout_uris: logouts } = registrationOf(
        instance.name,
        instance.url,
      )
      return {
        name: instance.name,
        url: instance.url,
        client_id: instance.clientId,
        client_secret: instance.clientSecret,
        redirect_uri: redirects[0],
        backchannel_logout_uri: logouts[0],
      }
    }),
    further_clients: further,
    queue,
    store: brokers === undefined ? 'sqlite' : 'postgres',
    data_dir: dataDir,
    ...(brokers !== undefined && { brokers }),
  }
}

export function tell(facts: ReturnType<typeof factsOf>): string {
  const [name, password] = (['upn', 'password'] as const).map((field) =>
    Math.max(...facts.users.map((user) => user[field].length)),
  )
  const [sydney, melbourne] = facts.instances
  return `
Case Manager Identity Broker, the demo. Everything runs on this machine; Microsoft is simulated.

  ${sydney?.name.padEnd(24)} ${sydney?.url}
  ${melbourne?.name.padEnd(24)} ${melbourne?.url}
  ${'Broker'.padEnd(24)} ${facts.issuer}/account
  ${'A tenant’s administrator'.padEnd(24)} ${facts.issuer}/tenant
  ${'Operators'.padEnd(24)} ${facts.ops}/ops
  ${'Simulated Microsoft'.padEnd(24)} ${facts.microsoft}
  ${'Queue, store'.padEnd(24)} ${facts.queue}, ${facts.store}
${facts.further_clients.length === 0 ? '' : `  ${'Clients of your file'.padEnd(24)} ${facts.further_clients.join(', ')}\n`}${cluster(facts.brokers)}
Who can sign in (the number to approve is shown on the page):

${facts.users.map((user) => `  ${user.upn.padEnd(name ?? 0)}  ${user.password.padEnd(password ?? 0)}  ${user.note}`).join('\n')}

What to try:

  1. Open Sydney and sign in as ${facts.users[0]?.upn}. Open Melbourne and choose
     “Sign in with Microsoft”: you are in at once, without being asked.
  2. With both open, sign out everywhere at one. The other page says so at once.
  3. Disable a user at the simulated Microsoft (the buttons are on its first page) and sign in as that user.
  4. Withdraw an administrator's consent there, and sign in.
  5. Operate the broker, from another terminal in this directory:
     npx cmb --data-dir ${facts.data_dir} status

Bring your own client: npm run demo -- --clients FILE. For scripts: npm run demo -- --json. Ctrl-C ends everything.
`
}

const cluster = (brokers: readonly ClusterBroker[] | undefined): string =>
  brokers === undefined
    ? ''
    : `
Two brokers answer behind one proxy:

${brokers.map(({ name, pid, url, data_dir: dir }) => `  ${name}  process ${pid}  ${url}  ${dir}`).join('\n')}

Kill one broker (kill -9 ${brokers[0]?.pid}) and see that users notice nothing.
`

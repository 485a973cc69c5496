import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

/** The options of the demo: ports, output, further clients. */

export const HELP = `Usage: npm run demo [-- options]

Runs the broker with its workers, a simulated Microsoft and two Case Manager instances on this machine, until Ctrl-C.

Options:
  --cluster        two brokers on an embedded Postgres behind a proxy: kill one broker, and nothing happens
  --json           when everything answers, print one line of JSON about it; problems go to standard error
  --public-url URL the https address at which a TLS proxy of yours shows the broker (its port 7400), for phones and for other machines
  --clients FILE   register the clients of this file too (clients.yaml, see docs/clients.md)
  --signal-issuers FILE
                   receive security events of the issuers of this file (see docs/shared-signals.md)
  --help           this text

Environment:
  DEMO_PORT_BASE   7400 unless set; all ports move by the difference (broker, +1 operators, +2 Microsoft, +11 Sydney, +12 Melbourne;
                   with --cluster +3 and +4 the brokers behind the proxy, +5 and +6 their operators' ports)

Examples:
  npm run demo
  npm run demo -- --cluster
  DEMO_PORT_BASE=8400 npm run demo -- --json
  NODE_EXTRA_CA_CERTS=ca.pem npm run demo -- --public-url https://broker.example:9443
`

export interface DemoPorts {
  broker: number
  ops: number
  microsoft: number
  sydney: number
  melbourne: number
}

/** Returns the ports behind the proxy of `--cluster`. */
export const clusterPorts = ({ broker }: DemoPorts) => ({
  a: broker + 3,
  b: broker + 4,
  opsA: broker + 5,
  opsB: broker + 6,
})

export interface DemoOptions {
  json: boolean
  help: boolean
  cluster: boolean
  clientsFile: string | undefined
  signalIssuersFile: string | undefined
  /** The broker's issuer: its public address, or its own on this machine. */
  issuer: string
  ports: DemoPorts
}

/**
 * Reads the options of the demo.
 * @throws Error with a message for the user who typed the options
 */
export function readOptions(
  args: string[],
  env: Readonly<Record<string, string | undefined>>,
): DemoOptions {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      cluster: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      clients: { type: 'string' },
      'signal-issuers': { type: 'string' },
      'public-url': { type: 'string' },
    },
  })
  const base = Number(env.DEMO_PORT_BASE || 7400)
  if (!Number.isInteger(base) || base < 1024 || base > 65_500)
    throw new Error(
      'DEMO_PORT_BASE has to be a port from 1024 to 65500, for example DEMO_PORT_BASE=8400.',
    )
  // npm changes to the package's directory, but the file's name is relative to the developer's.
  const fileOf = (given: string | undefined): string | undefined =>
    given === undefined
      ? undefined
      : resolve((env.npm_lifecycle_event === 'demo' && env.INIT_CWD) || '.', given)
  return {
    json: values.json,
    help: values.help,
    cluster: values.cluster,
    clientsFile: fileOf(values.clients),
    signalIssuersFile: fileOf(values['signal-issuers']),
    issuer:
      values['public-url'] === undefined
        ? `http://localhost:${base}`
        : publicUrl(values['public-url']),
    ports: {
      broker: base,
      ops: base + 1,
      microsoft: base + 2,
      sydney: base + 11,
      melbourne: base + 12,
    },
  }
}

/**
 * Returns the public address as an issuer.
 * @throws Error where it cannot be one: an issuer is an https origin without a path
 */
function publicUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'https:' || url.username !== '' || url.origin !== value.replace(/\/$/, ''))
    throw new Error(
      '--public-url takes an https address without a path, for example https://broker.example:9443.',
    )
  return url.origin
}

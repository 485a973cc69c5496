import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'

/** What the demo was asked for: ports, output, further clients. */

export const HELP = `Usage: npm run demo [-- options]

Runs the broker with its workers, a simulated Microsoft and two Case Manager instances on this machine, until Ctrl-C.

Options:
  --json           when everything answers, print one line of JSON about it and nothing else
  --clients FILE   register the clients of this file too (clients.yaml, see docs/configuration.md)
  --help           this text

Environment:
  DEMO_PORT_BASE   7400 unless set; all ports move by the difference (broker, +1 operators, +2 Microsoft, +11 Sydney, +12 Melbourne)

Examples:
  npm run demo
  DEMO_PORT_BASE=8400 npm run demo -- --json
`

export interface DemoPorts {
  broker: number
  ops: number
  microsoft: number
  sydney: number
  melbourne: number
}

export interface DemoOptions {
  json: boolean
  help: boolean
  /** Entries of a further clients file, as they stand there. */
  furtherClients: Record<string, unknown>[]
  ports: DemoPorts
}

/** @throws Error with words for the person who typed it */
export function readOptions(args: string[], env: Readonly<Record<string, string | undefined>>): DemoOptions {
  const { values } = parseArgs({
    args,
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false }, clients: { type: 'string' } },
  })
  const base = Number(env.DEMO_PORT_BASE || 7400)
  if (!Number.isInteger(base) || base < 1024 || base > 65_500)
    throw new Error('DEMO_PORT_BASE has to be a port from 1024 to 65500, for example DEMO_PORT_BASE=8400.')
  return {
    json: values.json,
    help: values.help,
    furtherClients: values.clients === undefined ? [] : readClients(values.clients),
    ports: { broker: base, ops: base + 1, microsoft: base + 2, sydney: base + 11, melbourne: base + 12 },
  }
}

function readClients(file: string): Record<string, unknown>[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`--clients ${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}).`, { cause: error })
  }
  const content: unknown = parse(text)
  const clients = typeof content === 'object' && content !== null ? (content as { clients?: unknown }).clients : undefined
  if (!Array.isArray(clients)) throw new Error(`--clients ${file} has to hold "clients:" and a list beneath it, as docs/configuration.md shows.`)
  return clients as Record<string, unknown>[]
}

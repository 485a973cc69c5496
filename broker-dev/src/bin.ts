#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { endingAsked } from '../../demo/ending.ts'
import type { BrokerOptions, Facts } from './api.ts'
import { mustBeNewEnough } from './node-version.ts'
import type { Running } from './run.ts'

/**
 * The command `broker-dev`: does what `startBroker()` does, for tests in any language and for
 * manual use.
 */

const HELP = `Usage: broker-dev [options]

Runs the Case Manager Identity Broker with a simulated Microsoft on this machine, until Ctrl-C. Data is temporary.

Options:
  --users FILE      the users at Microsoft, YAML (users.schema.json). Not given: the users of the demo
  --clients FILE    the clients, YAML, which may hold "client_secret" in plain text. Edits take effect while it runs. Not given: the client "dev"
  --port PORT       the broker's port, 7400 unless given. The next three: the operators' listener, Microsoft, /_control. 0: any free ports
  --set NAME=VALUE  a setting of the broker (repeatable), for example --set BROKER_SESSION_IDLE_SECONDS=60
  --json            print one line of JSON when it is ready
  --stdin           end when standard input is closed, that is when the program that started it ends
  --help            this text

Example:
  npx @case-manager/broker-dev --users users.yaml --clients clients.yaml
`

interface Asked extends BrokerOptions {
  json: boolean
  help: boolean
  stdin: boolean
}

/**
 * Parses the command line.
 * @throws Error with a message for the developer if an option is not valid
 */
function readOptions(args: string[]): Asked {
  const { values } = parseArgs({
    args,
    options: {
      users: { type: 'string' },
      clients: { type: 'string' },
      port: { type: 'string', default: '7400' },
      set: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      stdin: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { users, clients, json, help, stdin } = values
  const settings = values.set.map((assignment) => {
    const at = assignment.indexOf('=')
    if (at < 1)
      throw new Error('--set takes NAME=VALUE, for example --set BROKER_SESSION_IDLE_SECONDS=60.')
    return [assignment.slice(0, at), assignment.slice(at + 1)] as const
  })
  if (!/^\d{1,5}$/.test(values.port))
    throw new Error('--port takes a number from 1024 to 65532, or 0 for any free ports.')
  return {
    json,
    help,
    stdin,
    settings: Object.fromEntries(settings),
    ...(users !== undefined && { users }),
    ...(clients !== undefined && { clients }),
    ...(values.port !== '0' && { port: Number(values.port) }),
  }
}

const announcement = ({ issuer, operators, microsoft, control, clients, users }: Facts): string =>
  `The broker is ready. Ctrl-C ends it.

Issuer      ${issuer}
Operators   ${operators}/ops
Microsoft   ${microsoft} (simulated)
Clients     ${clients.map((client) => `${client.client_id}${client.client_secret === undefined ? '' : ` (secret ${client.client_secret})`}`).join('\n            ')}
Users       ${users.join(', ')}

Sign a user in:
  curl ${control.url}/_control/sign-in -H '${control.header}: ${control.secret}' \\
    -d '${JSON.stringify({ user: users[0], client: clients[0]?.client_id })}'
Revoke:
  curl ${control.url}/_control/revoke -H '${control.header}: ${control.secret}' -d '${JSON.stringify({ user: users[0] })}'
`

const inputClosed = (): Promise<void> =>
  new Promise((closed) => void process.stdin.resume().once('close', () => closed()))

async function main(): Promise<number> {
  let running: Running
  try {
    const { json, help, stdin, ...options } = readOptions(process.argv.slice(2))
    if (help) {
      process.stdout.write(HELP)
      return 0
    }
    mustBeNewEnough()
    const asked = Promise.race([endingAsked(), ...(stdin ? [inputClosed()] : [])])
    const { resolveQuickly } = await import('./resolve-quickly.ts')
    resolveQuickly()
    const { run } = await import('./run.ts')
    running = await run(options, (text) => void process.stderr.write(`${text}\n`))
    process.stdout.write(json ? `${JSON.stringify(running.facts)}\n` : announcement(running.facts))
    await asked
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message : String(error)}\nAll options: broker-dev --help\n`,
    )
    return 2
  }
  await running.stop()
  return 0
}

process.exit(await main())

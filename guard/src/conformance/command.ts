import { parseArgs } from 'node:util'
import type { Clock } from '../clock.ts'
import { AdapterGone, isAddress, openAdapter } from './adapter.ts'
import { readCases, runKit, type Result } from './kit.ts'
import { NEEDS } from './shapes.ts'

/** The command line of `guard conformance`. */

const USAGE = `Usage: guard conformance --adapter ADAPTER [--only TEXT] [--without WHAT] [--lease SECONDS] [--at-once NUMBER] [--json] [--list]

Runs the conformance cases against a guard of any language: a fake broker plays each case, and the guard must decide as docs/feed.md says.

  --adapter ADAPTER      what drives the guard: a command that reads and writes JSON lines, or an http address. It answers
                           {"do":"start","issuer":…,"client_id":…,"client_secret":…,"audience":…,"guard":…}  {}
                           {"do":"check","token":…}            {"status":200} accepted, 401 rejected, 503 not known
                           {"do":"logout","logout_token":…}    {"status":200} ended, 400 rejected for good, 503 to be sent again
                           {"do":"clock","wall_ms":…,"monotonic_ms":…,"elapsed_ms":…}  {}
                           {"do":"stop"}                       {}
  --only TEXT            only cases whose name contains this
  --without WHAT         leave out the cases that need: logout (a receiver of logout tokens), stream (an event stream instead of polls),
                         private_key_jwt ("client_key" instead of "client_secret"), polling ("poll": true), introspection ("without_lease": "introspect"), sessions ("sessions": true), clock (the message "clock"), timers (a "clock" that also
                         runs the timers that are due by then); more than once for several
  --lease SECONDS        the length of the leases that the fake broker grants, 1 to 60; default 2
  --at-once NUMBER       how many cases run at once, each with a process of the adapter's command; default 4. 1 if two of them cannot run
                         beside each other, for example because each listens at the same port. An http address gets one case at a time
  --json                 print the results as one JSON document
  --list                 print the names of the cases, and end
  --help

Exit status: 0 all cases passed or were left out, 1 a case failed or the adapter ended, 2 the arguments are wrong.
`

const OPTIONS = {
  adapter: { type: 'string' },
  only: { type: 'string' },
  without: { type: 'string', multiple: true },
  lease: { type: 'string', default: '2' },
  'at-once': { type: 'string', default: '4' },
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

type Write = (text: string) => void

/** Runs `guard conformance`. Returns the exit status. */
export async function conformance(
  args: readonly string[],
  { clock, err, out }: { clock: Clock; out: Write; err: Write },
): Promise<number> {
  const given = read(args)
  if (typeof given === 'string') {
    err(`${given}\nguard conformance --help shows how to use it.\n`)
    return 2
  }
  const { json, only, without = [] } = given
  if (given.help) return (out(USAGE), 0)
  const names = readCases().map(({ name }) => name)
  if (given.list) return (out(`${names.join('\n')}\n`), 0)
  const { adapter = '' } = given
  const atOnce = isAddress(adapter) ? 1 : Number(given['at-once'])
  const adapters = Array.from({ length: atOnce }, () => openAdapter(adapter, clock))
  try {
    const leaseSeconds = Number(given.lease)
    const onResult = (result: Result): void => void (json || out(line(result)))
    const results = await runKit({ adapters, clock, only, without, leaseSeconds, onResult })
    out(json ? `${JSON.stringify({ results }, null, 2)}\n` : summary(results))
    return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0
  } catch (error) {
    if (!(error instanceof AdapterGone)) throw error
    err(`${error.message} The kit stops: no further case can be run.\n`)
    return 1
  } finally {
    await Promise.all(adapters.map((each) => each.close()))
  }
}

/** Returns the options, or an error text if they are wrong. */
function read(args: readonly string[]) {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    return values.help || values.list ? values : (wrong(values) ?? values)
  } catch (error) {
    return (error as Error).message
  }
}

function wrong(values: {
  adapter?: string
  only?: string
  without?: string[]
  lease: string
  'at-once': string
}): string | undefined {
  const seconds = Number(values.lease)
  const unknown = (values.without ?? []).find(
    (need) => !(NEEDS as readonly string[]).includes(need),
  )
  if (values.adapter === undefined)
    return "--adapter is missing, for example --adapter 'python3 adapter.py'."
  if (unknown !== undefined) return `--without ${unknown}: the values are ${NEEDS.join(', ')}.`
  if (!(seconds >= 1 && seconds <= 60))
    return `--lease ${values.lease}: expected is a number from 1 to 60.`
  const { only, 'at-once': atOnce } = values
  if (!/^[1-9]\d?$/.test(atOnce))
    return `--at-once ${atOnce}: expected is a whole number from 1 to 99.`
  if (only !== undefined && !readCases().some(({ name }) => name.includes(only)))
    return `--only ${only}: no case has this in its name. --list prints the names.`
  return undefined
}

const line = ({ ms, name, outcome, problem }: Result): string =>
  `${outcome.padEnd(8)}  ${name} (${Math.round(ms)} ms)${problem === undefined ? '' : `\n          ${problem}`}\n`

function summary(results: readonly Result[]): string {
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length
  return `\n${count('pass')} passed, ${count('fail')} failed, ${count('left out')} left out.\n`
}

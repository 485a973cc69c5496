import { parseArgs } from 'node:util'
import type { Clock } from '../clock.ts'
import { AdapterGone, isAddress, openAdapter } from './adapter.ts'
import { readCases, runKit, selected, type Result } from './kit.ts'
import { NEEDS } from './shapes.ts'

/** The command line of `guard conformance`. */

const USAGE = `Usage: guard conformance --adapter ADAPTER [--only TEXT] [--section TEXT] [--without WHAT] [--lease SECONDS] [--at-once NUMBER] [--json] [--list]

Runs the conformance cases against a guard of any language: a fake broker plays each case, and the guard must decide as docs/feed.md says.

  --adapter ADAPTER      what drives the guard: a command that reads and writes JSON lines, or an http address. It answers
                           {"do":"start","issuer":…,"client_id":…,"client_secret":…,"audience":…,"guard":…}  {}
                           {"do":"check","token":…}            {"status":200} accepted, 401 rejected, 503 not known
                             (with "acr" or "max_age" where the act demands them, with "request" where a request with proofs brings it)
                           {"do":"logout","logout_token":…}    {"status":200} ended, 400 rejected for good, 503 to be sent again
                           {"do":"session","session":…}        {"status":200} live, 401 ended, 503 not known
                           {"do":"clock","wall_ms":…,"monotonic_ms":…,"elapsed_ms":…}  {}
                           {"do":"stop"}                       {}
  --only TEXT            only cases whose name contains this; more than once for several
  --section TEXT         only cases of the sections of docs/feed.md whose title contains this; more than once for several
  --without WHAT         leave out the cases that need: logout (a receiver of logout tokens), stream (an event stream instead of polls),
                         private_key_jwt ("client_key" instead of "client_secret"), polling ("poll": true), introspection
                         ("without_lease": "introspect"), sessions ("sessions": true), strength ("acr" and "max_age"), dpop
                         ("public_address" and "request"), clock (the message "clock"), timers (a "clock" that also runs the timers
                         that are due by then); more than once for several
  --lease SECONDS        the length of the leases that the fake broker grants, 1 to 60; default 2
  --at-once NUMBER       how many cases run at once, each with a process of the adapter's command; default 8. 1 if two of them cannot run
                         beside each other, for example because each listens at the same port. An http address gets one case at a time
  --json                 print the results as one JSON document
  --list                 print the names of the cases, and end
  --help

Exit status: 0 all cases passed or were left out, 1 a case failed or the adapter ended, 2 the arguments are wrong.
`

const OPTIONS = {
  adapter: { type: 'string' },
  only: { type: 'string', multiple: true },
  section: { type: 'string', multiple: true },
  without: { type: 'string', multiple: true },
  lease: { type: 'string', default: '2' },
  'at-once': { type: 'string', default: '8' },
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

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
  const { json, only, section, without = [] } = given
  if (given.help) return (out(USAGE), 0)
  const names = readCases().map(({ name }) => name)
  if (given.list) return (out(`${names.join('\n')}\n`), 0)
  const { adapter = '' } = given
  const atOnce = isAddress(adapter) ? 1 : Number(given['at-once'])
  const adapters = Array.from({ length: atOnce }, () => openAdapter(adapter, clock))
  // At the exit the adapters are killed.
  const interrupted = (): void => process.exit(130)
  for (const signal of SIGNALS) process.once(signal, interrupted)
  try {
    const leaseSeconds = Number(given.lease)
    const onResult = (result: Result): void => void (json || out(line(result)))
    const results = await runKit({
      adapters,
      clock,
      only,
      section,
      without,
      leaseSeconds,
      onResult,
    })
    out(json ? `${JSON.stringify({ results }, null, 2)}\n` : summary(results))
    return results.some(({ outcome }) => outcome === 'fail') ? 1 : 0
  } catch (error) {
    if (!(error instanceof AdapterGone)) throw error
    err(`${error.message} The kit stops: no further case can be run.\n`)
    return 1
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupted)
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
  only?: string[]
  section?: string[]
  without?: string[]
  lease: string
  'at-once': string
}): string | undefined {
  const { adapter, 'at-once': atOnce, lease, only, section, without = [] } = values
  const unknown = without.find((need) => !(NEEDS as readonly string[]).includes(need))
  if (adapter === undefined)
    return "--adapter is missing, for example --adapter 'python3 adapter.py'."
  if (unknown !== undefined) return `--without ${unknown}: the values are ${NEEDS.join(', ')}.`
  if (!(Number(lease) >= 1 && Number(lease) <= 60))
    return `--lease ${lease}: expected is a number from 1 to 60.`
  if (!/^[1-9]\d?$/.test(atOnce))
    return `--at-once ${atOnce}: expected is a whole number from 1 to 99.`
  const name = only?.find((text) => selected([text], undefined).length === 0)
  if (name !== undefined)
    return `--only ${name}: no case has this in its name. --list prints the names.`
  const title = section?.find((text) => selected(undefined, [text]).length === 0)
  if (title !== undefined)
    return `--section ${title}: no section with a case has this in its title.`
  if (selected(only, section).length === 0) return 'No case has both --only and --section.'
  return undefined
}

const line = ({ ms, name, outcome, problem }: Result): string =>
  `${outcome.padEnd(8)}  ${name} (${Math.round(ms)} ms)${problem === undefined ? '' : `\n          ${problem}`}\n`

function summary(results: readonly Result[]): string {
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length
  const missing = new Set(
    results.flatMap(({ missing: need, section }) =>
      need === undefined ? [] : `${section} (${need})`,
    ),
  )
  const partly = missing.size === 0 ? '' : `Not conformant in: ${[...missing].join(', ')}.\n`
  return `\n${count('pass')} passed, ${count('fail')} failed, ${count('left out')} left out.\n${partly}`
}

import { parseArgs } from 'node:util'
import { consoleProblems } from '../problems.ts'
import { completeClock } from '../clock.ts'
import { conformance } from '../conformance/command.ts'
import { VERSION } from '../version.ts'
import { RULES_EXAMPLE } from './rules.ts'
import { rulesProblems, serve, type Serving } from './serve.ts'
import { describeSettings, flagOf, SETTINGS } from './setting-table.ts'
import { readSettings } from './settings.ts'

/** The command line of `guard`. */

const USAGE = `Usage: guard serve [--config FILE] [--check] [SETTINGS]
       guard conformance --help    (tests a guard of any language)

Answers a reverse proxy (nginx, Traefik, Caddy, HAProxy, Envoy) whether a request may pass: 200 with identity headers, 401, 403, or 503.

  --config FILE                  a JSON file with any of the settings, named with underscores
  --check                        check the settings and the rules, and end
  --help, --version

Settings, as flags, in the environment (GUARD_CLIENT_ID for --client-id) or in the file, in this order:

${describeSettings()}

The rules file, read again on SIGHUP:
  ${RULES_EXAMPLE}

Exit status: 0 after SIGTERM or SIGINT, 1 when an address is in use, 2 when the configuration is wrong.
`

/** A wrong command line. Its message is the whole output. */
class UsageError extends Error {}

/** Runs the command until it ends or is stopped, and sets the exit code. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    await command(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 2
  }
}

async function command(args: readonly string[]): Promise<void> {
  if (args[0] === 'conformance') {
    const write = (stream: NodeJS.WriteStream) => (text: string) => void stream.write(text)
    process.exitCode = await conformance(args.slice(1), {
      clock: completeClock(undefined),
      out: write(process.stdout),
      err: write(process.stderr),
    })
    return
  }
  const { positionals, values } = parse(args)
  if (values.version === true) return void process.stdout.write(`${VERSION}\n`)
  if (values.help === true) return void process.stdout.write(USAGE)
  if (positionals.length !== 1 || positionals[0] !== 'serve')
    throw new UsageError(`The commands are "guard serve" and "guard conformance".\n\n${USAGE}`)
  const flags = Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'string' && name !== 'config' ? [[name.replaceAll('-', '_'), value]] : [],
    ),
  )
  const read = readSettings({ flags, env: process.env, file: values.config as string | undefined })
  const problems = read.ok ? rulesProblems(read.config.rulesFile) : read.problems
  if (!read.ok || problems.length > 0)
    throw new UsageError(
      ['guard serve cannot start.', ...problems.map((each) => `- ${each}`)].join('\n'),
    )
  if (values.check === true)
    return void process.stdout.write('The settings and the rules are valid.\n')
  const clock = completeClock(undefined)
  const serving = await started({ config: read.config, problem: consoleProblems(clock) })
  if (serving !== undefined) await untilAsked(serving)
}

function parse(args: readonly string[]): {
  positionals: string[]
  values: Record<string, string | boolean | undefined>
} {
  const settings = SETTINGS.filter((setting) => !('secret' in setting)).map(({ name }) => [
    flagOf(name).slice(2),
    { type: 'string' as const },
  ])
  const flags = {
    help: { type: 'boolean' as const, short: 'h' },
    version: { type: 'boolean' as const },
    check: { type: 'boolean' as const },
  }
  const options = {
    ...flags,
    config: { type: 'string' as const },
    ...Object.fromEntries(settings),
  } as Record<string, { type: 'string' | 'boolean' }>
  try {
    const { positionals, values } = parseArgs({ args: [...args], options, allowPositionals: true })
    return { positionals, values }
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nguard serve --help lists the settings.`, {
      cause: error,
    })
  }
}

async function started(options: Parameters<typeof serve>[0]): Promise<Serving | undefined> {
  try {
    return await serve(options)
  } catch (error) {
    process.stderr.write(`guard serve cannot start. ${(error as Error).message}\n`)
    process.exitCode = 1
    return undefined
  }
}

async function untilAsked(serving: Serving): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`guard serve: ${line}\n`)
  say(`checks at ${serving.checkAddress}`)
  say(`health, metrics and ended sessions at ${serving.localAddress}`)
  const reload = (): void => {
    const problems = serving.reload()
    if (problems.length === 0) say('the rules were read again')
    else
      process.stderr.write(
        `guard serve: the former rules stay.\n${problems.map((each) => `- ${each}\n`).join('')}`,
      )
  }
  process.on('SIGHUP', reload)
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve())
  })
  void serving.live.then(() => {
    if (serving.guard.status().ready)
      say(`enforces revocations up to seq ${serving.guard.status().enforcedSeq}`)
  })
  await stopped
  process.off('SIGHUP', reload)
  await serving.stop()
}

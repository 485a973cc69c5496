import type { Command } from 'commander'
import { access, constants, stat, statfs } from 'node:fs/promises'
import { ConfigError, loadConfig, type Config } from '../config/config.ts'
import type { Finding } from '../checks/finding.ts'
import { readClientsFile } from '../client/read-clients-file.ts'
import { CommandFailure, EXIT, openBroker } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'

/** What is wrong and how to mend it: of the settings and the data directory by itself; of all the rest by asking the broker, where one runs. */
export function doctorCommand(program: Command, context: Context): void {
  examples(
    program
      .command('doctor')
      .description(
        'Check settings, store, queue, Microsoft and every client; say how to mend what is wrong. Run it with the environment of the broker.',
      )
      .addOption(asJson())
      .action(async (_options: unknown, command: Command) => {
        const findings = await look(context, context.dataDir(command))
        context.print(command, { findings }, () => words(findings))
        command.setOptionValue('exitCode', findings.some((one) => one.state === 'bad') ? EXIT.failed : EXIT.done)
      }),
    'cmb doctor',
    'cmb doctor --json | jq \'.findings[] | select(.state != "good")\'',
  )
}

async function look(context: Context, dataDir: string): Promise<Finding[]> {
  const inside = await fromBroker(context, dataDir)
  const running = !inside.some((one) => one.name === 'broker' && one.state === 'bad')
  const { config, findings } = settings(context, dataDir, running)
  const file = running || config?.clientsFile === undefined ? [] : [await clientsFile(config, config.clientsFile)]
  return [...findings, await directory(dataDir), ...file, ...inside]
}

/** A shell beside a running broker rarely has its environment: what is missing there is worth a word, no more. */
function settings(context: Context, dataDir: string, running: boolean): { config?: Config; findings: Finding[] } {
  try {
    const config = loadConfig({ ...context.terminal.env, BROKER_DATA_DIR: dataDir })
    const warnings = config.warnings.map(({ name, problem, example }) => ({
      name,
      state: 'warning' as const,
      found: `It ${problem}.`,
      mend: `Rename it to ${example}, or remove it.`,
    }))
    return { config, findings: [{ name: 'environment', state: 'good', found: 'Every setting here can be read.' }, ...warnings] }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    if (running)
      return {
        findings: [
          {
            name: 'environment',
            state: 'warning',
            found: 'The settings of this shell would not start a broker; the one that runs has others.',
            mend: 'To check them, run this with the environment of the broker.',
          },
        ],
      }
    return {
      findings: error.problems.map((one) => ({
        name: one.name,
        state: 'bad',
        found: `It ${one.problem}.`,
        mend: one.example === '' ? 'docs/configuration.md lists every setting.' : `For example: ${one.name}=${one.example}`,
      })),
    }
  }
}

const LEAST_FREE_BYTES = 256 * 1024 * 1024

async function directory(dataDir: string): Promise<Finding> {
  const name = 'data directory'
  try {
    const { mode } = await stat(dataDir)
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    const { bavail, bsize } = await statfs(dataDir)
    const free = `${Math.floor((bavail * bsize) / 1_048_576)} MB free`
    if ((mode & 0o077) !== 0) return { name, state: 'warning', found: `${dataDir} can be read by other users.`, mend: `chmod 700 ${dataDir}` }
    if (bavail * bsize < LEAST_FREE_BYTES)
      return { name, state: 'bad', found: `${dataDir}: ${free}.`, mend: 'Free some space: a full disk refuses sign-ins and revocations.' }
    return { name, state: 'good', found: `${dataDir}: ${free}.` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT')
      return {
        name,
        state: 'warning',
        found: `${dataDir} is not there yet; the broker makes it at its first start.`,
        mend: 'If it should be there, name the right one: --data-dir or BROKER_DATA_DIR.',
      }
    return {
      name,
      state: 'bad',
      found: `${dataDir} cannot be used (${code ?? 'error'}).`,
      mend: `Run this as the broker's user, or let that user own it: chown -R <user> ${dataDir}`,
    }
  }
}

async function clientsFile(config: Config, path: string): Promise<Finding> {
  const read = await readClientsFile(path, { allowLoopback: config.allowLoopbackTargets })
  if (read.ok) return { name: 'clients file', state: 'good', found: `${read.clients.length} client(s) in ${path}.` }
  return { name: 'clients file', state: 'bad', found: read.problems.join(' '), mend: `Mend ${path}.` }
}

async function fromBroker(context: Context, dataDir: string): Promise<Finding[]> {
  try {
    const { findings } = await (await openBroker(context.terminal, dataDir)).get<{ findings: Finding[] }>('/doctor')
    return [{ name: 'broker', state: 'good', found: 'It runs.' }, ...findings]
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    return [
      {
        name: 'broker',
        state: 'bad',
        found: error.message.replaceAll('\n', ' '),
        mend: 'Store, queue, Microsoft and the clients are looked at when it runs.',
      },
    ]
  }
}

const MARK = { good: 'ok  ', warning: 'warn', bad: 'BAD ' } as const

function words(findings: readonly Finding[]): string {
  const said = findings
    .map((one) => `${MARK[one.state]}  ${one.name}: ${one.found}\n${one.mend === undefined ? '' : `        -> ${one.mend}\n`}`)
    .join('')
  const count = (state: Finding['state']): number => findings.filter((one) => one.state === state).length
  return `${said}\n${count('good')} good, ${count('warning')} to look at, ${count('bad')} wrong.\n`
}

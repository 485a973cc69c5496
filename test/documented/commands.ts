import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, CommanderError } from 'commander'
import { createProgram } from '../../src/program.ts'
import { CommandFailure } from '../../src/operations/command/broker.ts'
import { silent } from '../command/cmb.ts'
import { ROOT } from '../markdown.ts'

/** Parses commands with the real programs, and runs none. */

/**
 * Returns the words of a command, split by a shell. A redirection ends them, and `<client>` and
 * `[file]` count as values.
 */
function wordsOf(command: string): string[] {
  const plain = command
    .replace(/^(?:[A-Z_]+=\S+ )+/, '')
    .replaceAll(/[<[]([\w ./-]+)[>\]]/g, (_, name: string) => name.replaceAll(' ', '-'))
    .replace(/ [>|] .*$/, '')
  return execFileSync('bash', ['-c', `set -f; printf '%s\\0' ${plain}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1)
}

/** Returns `cmb` with commands that do nothing. */
function parser(said: (text: string) => void): Command {
  const program = createProgram({ ...silent, err: said })
  const still = (command: Command): void => {
    // A group has an action only if it lists something by itself.
    if ((command as unknown as { _actionHandler: unknown })._actionHandler) command.action(() => {})
    command.commands.forEach(still)
  }
  still(program)
  return program
}

/** Returns the command that the leading words name, and the words after it. */
function found(program: Command, words: readonly string[]): [Command, string[]] {
  let command = program
  for (const [at, word] of words.entries()) {
    const next = command.commands.find(
      (candidate) => candidate.name() === word || candidate.aliases().includes(word),
    )
    if (next === undefined) return [command, words.slice(at)]
    command = next
  }
  return [command, []]
}

/**
 * Returns whether the text only names a command, alone or with names of options, without values.
 */
function isNamed(program: Command, words: readonly string[]): boolean {
  const [command, rest] = found(program, words)
  const options = [...command.options, ...program.options].flatMap(({ long }) => long ?? [])
  return rest.every((word) => word === '--help' || options.includes(word))
}

export interface Parsed {
  problem?: string | undefined
  /** True if no argument is missing, so that the command could run. */
  isComplete: boolean
}

async function parseCmb(words: string[]): Promise<Parsed> {
  let said = ''
  const program = parser((text) => (said += text))
  try {
    await program.parseAsync(words, { from: 'user' })
    return { isComplete: true }
  } catch (error) {
    if (error instanceof CommandFailure) return { problem: error.message, isComplete: false }
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { isComplete: true }
    return { problem: isNamed(program, words) ? undefined : said.split('\n')[0], isComplete: false }
  }
}

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>
}

/** Returns the sources that read the options of a script. */
function sourceOf(script: string): string {
  const [, built] =
    / (?:dist\/)?((?:bench|demo|scripts|test)\/\S+)\.(?:m?js|ts)/.exec(` ${script}`) ?? []
  const files = [
    `${built}.ts`,
    `${built}.mjs`,
    'broker-dev/src/bin.ts',
    'demo/options.ts',
    'test/process/chaos/options.ts',
    'test/process/cluster/options.ts',
  ]
  return files
    .map((file) => (existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), 'utf8') : ''))
    .join('')
}

function npmProblem([command = '', name = '', ...rest]: string[]): string | undefined {
  const script = scripts[command === 'run' ? name : command]
  if (['install', 'audit', 'pack'].includes(command)) return undefined
  if (script === undefined) return `package.json has no script ${name}.`
  if (name === 'bench' && !existsSync(join(ROOT, `bench/${rest[0]}.ts`)))
    return `There is no bench ${rest[0]}.`
  const source = sourceOf(name === 'bench' ? `bench/${rest[0]}.ts` : script)
  const unknown = rest
    .filter((word) => /^--\w/.test(word))
    .find((word) => !source.includes(word.slice(2)))
  return unknown === undefined ? undefined : `${name} reads no ${unknown}.`
}

const BINS: Record<string, string> = {
  '@case-manager/guard': 'guard/dist/serve/bin.js',
  guard: 'guard/dist/serve/bin.js',
  'broker-dev': 'broker-dev/dist/broker-dev/src/bin.js',
  '@case-manager/broker-dev': 'broker-dev/dist/broker-dev/src/bin.js',
}
const helps = new Map<string, string>()

/** Returns what is wrong with a command: each option must be in the help of its program. */
function binProblem(name: string, words: string[]): string | undefined {
  const bin = BINS[name]
  if (bin === undefined) return `${name} is unknown.`
  const subcommand = words
    .filter((word) => !word.startsWith('-'))
    .slice(0, name.includes('guard') ? 1 : 0)
  const key = [bin, ...subcommand].join(' ')
  const help =
    helps.get(key) ??
    execFileSync(process.execPath, [join(ROOT, bin), ...subcommand, '--help'], { encoding: 'utf8' })
  helps.set(key, help)
  const unknown = words.filter((word) => /^--\w/.test(word)).find((word) => !help.includes(word))
  return unknown === undefined ? undefined : `${key} --help does not name ${unknown}.`
}

/** Parses a command of a text with its program. */
export async function parse(command: string): Promise<Parsed> {
  const [program = '', ...words] = wordsOf(command)
  if (program === 'cmb') return parseCmb(words)
  if (program === 'npx' && words[0] === 'cmb') return parseCmb(words.slice(1))
  if (program === 'curl') return { isComplete: true }
  if (program === 'npm') return { problem: npmProblem(words), isComplete: true }
  const [name = '', ...rest] = program === 'npx' ? words : [program, ...words]
  return { problem: binProblem(name, rest), isComplete: true }
}

/** Returns the examples in the help of every command of `cmb`. */
export function helpExamples(): string[] {
  const examplesOf = (command: Command): string[] => {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) })
    command.outputHelp()
    const [, examples = ''] = /\nExamples:\n([^]*)/.exec(help) ?? []
    return [...examples.replaceAll(/\\\n */g, '').matchAll(/^ {2}(\S.*)$/gm)]
      .map(([, line = '']) => line)
      .concat(command.commands.flatMap(examplesOf))
  }
  return [...new Set(examplesOf(createProgram(silent)))]
}

/** Commands that only read, so that they can run as they are. */
const READS = [
  /^cmb (?:status|doctor|guards|audit|search)\b/,
  /^cmb tenants$/,
  /^cmb [\w-]+ (?:list|show|new-secret)\b/,
  /^cmb evidence (?:export|verify)\b/,
  /^cmb backup .*\/\w/,
  /^(?:cmb|npx).* --help$/,
  /^curl .*>/,
]
export const onlyReads = (command: string): boolean =>
  READS.some((pattern) => pattern.test(command))

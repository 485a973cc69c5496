import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { readText, withSettings } from '../../config/read.ts'
import type { Environment } from '../../config/setting.ts'
import { CommandFailure, EXIT, openBroker, type Broker } from './broker.ts'
import { csvOf } from './csv.ts'
import { readPast } from './moment.ts'
import { openRemote, remoteUrl, type RemoteOptions } from './remote.ts'
import { fenced, json, time, timeMs } from './show.ts'
import type { Terminal } from './terminal.ts'

/** The dependencies of every command: the terminal, the broker, and one way to print an answer. */
export interface Context {
  terminal: Terminal
  /** Connects to the broker. @throws CommandFailure 3 if none runs */
  broker(command: Command): Promise<Broker>
  dataDir(command: Command): string
  /**
   * Reads a setting as the broker does, also from `<NAME>_FILE`.
   * @throws CommandFailure 2 if it cannot be read
   */
  setting(name: `BROKER_${string}`): string | undefined
  /** Returns a broker's environment with these settings replaced. */
  environment(settings: Record<string, string>): Environment
  /** Prints an answer as JSON with `--json`, as CSV with `--output csv`, else as text. */
  print(command: Command, answer: unknown, words: () => string): void
}

export function createContext(terminal: Terminal): Context {
  const setting: Context['setting'] = (name) =>
    readText(terminal.env, name, (problem, about = { name, example: '' }) => {
      throw new CommandFailure(EXIT.usage, `${about.name} ${problem}.`)
    })
  const dataDir = (command: Command): string =>
    resolve(
      command.optsWithGlobals<{ dataDir?: string }>().dataDir ??
        setting('BROKER_DATA_DIR') ??
        'data',
    )
  return {
    terminal,
    dataDir,
    setting,
    environment: (settings) => withSettings(terminal.env, settings),
    broker: (command) => {
      const options = command.optsWithGlobals<RemoteOptions>()
      return remoteUrl(terminal, options) === undefined
        ? openBroker(terminal, dataDir(command))
        : openRemote(terminal, options)
    },
    print: (command, answer, words) => {
      const options = command.optsWithGlobals<{ json?: boolean; output?: Format }>()
      const format = options.json === true ? 'json' : (options.output ?? 'text')
      terminal.out(FORMATS[format](answer, words))
      const { next } = (answer ?? {}) as { next?: unknown }
      if (format === 'csv' && (typeof next === 'string' || typeof next === 'number'))
        terminal.err(nextPage(next))
    },
  }
}

/**
 * Returns the URL of the database that a command changes, past a connection pooler if there is one.
 * @param to the operator's option
 */
export const databaseUrl = ({ setting }: Context, to: string | undefined): string | undefined =>
  to ?? setting('BROKER_DATABASE_DIRECT_URL') ?? setting('BROKER_DATABASE_URL')

/** Returns the database URL. @throws CommandFailure 2 if none is configured */
export function namedDatabaseUrl(context: Context, to: string | undefined): string {
  const url = databaseUrl(context, to)
  if (url === undefined)
    throw new CommandFailure(
      EXIT.usage,
      'Name the database: --to postgres://…, or set BROKER_DATABASE_URL.',
    )
  return url
}

export const databaseDefault = 'default: BROKER_DATABASE_DIRECT_URL, else BROKER_DATABASE_URL'

/** Output formats. `words` returns the text for users. */
const FORMATS = {
  text: (_answer: unknown, words: () => string): string => fenced(words()),
  json,
  csv: csvOf,
}
type Format = keyof typeof FORMATS
export const asFormat = (): Option =>
  new Option('--output <format>', 'how to print: csv is for lists').choices(Object.keys(FORMATS))

export const asJson = (): Option => new Option('--json', 'print what the broker answered, as JSON')

/** Adds examples to a command's help. */
export function examples(command: Command, ...texts: string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${texts.map((text) => `  ${text}`).join('\n')}`)
}

/** Adds the options of a paged list. */
export const paged = (most: string) => (command: Command) =>
  command.option('--limit <n>', 'how many at most', most).addOption(before())
export const before = (): Option =>
  new Option('--before <cursor>', 'the next page: the cursor that the page before printed')
/**
 * Returns the hint to the next page. @param next the broker's cursor, null at the end of the list
 */
export const nextPage = (next: string | number | null): string =>
  next === null ? '' : `There are more: repeat the command with --before ${next}\n`

/** A page of a searched list. `searched_to` is set if the broker stopped the search early. */
interface Searched {
  next: string | number | null
  searched_to?: { at?: number; opened_at?: number; at_ms?: number } | null
}

/**
 * Requests pages until one is full or the list ends.
 * @param list the member of the answer that holds the entries
 */
export async function fullPage<K extends string, A extends Searched & Record<K, unknown[]>>(
  { err }: Pick<Terminal, 'err'>,
  list: K,
  { limit, before: first }: { limit?: string | undefined; before?: string | undefined },
  page: (more: { limit: string | undefined; before: string | undefined }) => Promise<A>,
): Promise<A> {
  let answer = await page({ limit, before: first })
  while (answer.searched_to && answer.next !== null) {
    const { at, opened_at: openedAt, at_ms: atMs } = answer.searched_to
    err(
      `Searched back to ${at === undefined && openedAt === undefined ? timeMs(atMs) : time(at ?? openedAt)}; searching further back.\n`,
    )
    const so = answer[list]
    const more = await page({
      limit: limit === undefined ? undefined : String(Number(limit) - so.length),
      before: String(answer.next),
    })
    answer = { ...more, [list]: [...so, ...more[list]] }
  }
  return answer
}

/** The case reference of an act, for the audit log. */
const caseOption = (): Option =>
  new Option('--case <reference>', 'your case reference, kept in the audit log')
export const withCase = (command: Command): Command => command.addOption(caseOption())
export const withCaseAndComment = (command: Command): Command =>
  withCase(command).addOption(new Option('--comment <text>', 'a comment, kept in the audit log'))
export interface CaseAndComment {
  case?: string
  comment?: string
}
export const caseAndComment = (options: CaseAndComment) => ({
  case_reference: options.case,
  comment: options.comment,
})

/** Adds the options that limit a list to a period. */
export const withPeriod = (command: Command): Command =>
  command
    .addOption(
      new Option(
        '--from <time>',
        'only entries from this time on: 2026-12-04, or 2026-12-04T17:00+01:00',
      ).argParser(readPast),
    )
    .addOption(new Option('--to <time>', 'only entries before this time').argParser(readPast))

export const repeated = (value: string, before: string[] | undefined): string[] => [
  ...(before ?? []),
  value,
]

/** Returns a query string of the defined values. */
export function queryOf(values: Record<string, string | undefined>): string {
  const query = new URLSearchParams(
    Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined),
  )
  return query.size > 0 ? `?${query.toString()}` : ''
}

/** Returns a path of the admin API, with the values escaped. */
export const path = (parts: TemplateStringsArray, ...values: string[]): string =>
  String.raw({ raw: parts }, ...values.map((value) => encodeURIComponent(value)))

/** A called command: its first two arguments and its options. */
export interface Called<O> {
  context: Context
  self: Command
  id: string
  second: string
  options: O
}

interface Verb<A, O> {
  /** The command's name and arguments, such as `show <client>`. */
  name: string
  about: string
  options?: (command: Command) => Command
  examples?: string[]
  /** Sends the requests. Returns undefined if it has printed the answer itself. */
  ask: (broker: Broker, called: Called<O>) => Promise<A | undefined>
  words: (answer: A, called: Called<O>) => string
}

/** Adds a command that asks the broker and prints the answer as text or JSON. */
export function verb<A, O = unknown>(
  parent: Command,
  context: Context,
  { name, about, options, examples: texts = [], ask, words }: Verb<A, O>,
): Command {
  const command = parent.command(name).description(about)
  options?.(command)
  command.addOption(asJson()).action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command
    const [id = '', second = ''] = self.args
    const called = { context, self, id, second, options: self.opts() as O }
    const answer = await ask(await context.broker(self), called)
    if (answer !== undefined) context.print(self, answer, () => words(answer, called))
  })
  return texts.length === 0 ? command : examples(command, ...texts)
}

/**
 * Asks for confirmation before an act that cannot be undone.
 * @param rejection the message if there is no terminal to ask at
 * @throws CommandFailure if the user does not agree or cannot be asked
 */
export async function agree(
  { terminal }: Context,
  rejection: string,
  question: string,
  word = 'yes',
): Promise<void> {
  if (terminal.ask === undefined)
    throw new CommandFailure(EXIT.usage, `${rejection} Nothing was done. Add --yes to do it.`)
  if (
    (await terminal.ask(`${question} Type ${word === 'yes' ? word : 'its name'} to do it: `)) !==
    word
  )
    throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

import { resolve } from 'node:path'
import { type Argument, type Command, Option } from 'commander'
import { readText, withSettings } from '../../config/read.ts'
import type { Environment } from '../../config/setting.ts'
import { MEMBERS } from '../../protocol/texts/members.ts'
import type { Acts } from '../contract/acts.ts'
import { SUMMARIES } from '../contract/texts/summaries.ts'
import {
  type AnswerTo,
  CommandFailure,
  EXIT,
  openBroker,
  type Broker,
  type MemberOf,
  type RequestOf,
  misused,
} from './broker.ts'
import { csvOf } from './csv.ts'
import { HELP } from './texts/help.ts'
import { openRemote, remoteUrl, type RemoteOptions } from './remote.ts'
import { type Columns, fenced, inWords, json, nextPage, time, timeMs } from './show.ts'
import type { Terminal } from './terminal.ts'
import { OPTION } from './texts/options.ts'

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
  /** Prints an answer as JSON with `--json`, as CSV with `--csv`, else as text. */
  print(command: Command, answer: object, words: () => string): void
}

export function createContext(terminal: Terminal): Context {
  const setting: Context['setting'] = (name) =>
    readText(terminal.env, name, (problem, about = { name, example: '' }) => {
      throw misused(`${about.name} ${problem}.`)
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
      const options = command.optsWithGlobals<{ json?: true; csv?: true }>()
      if (options.json) return terminal.out(json(answer))
      if (!options.csv) return terminal.out(fenced(words()))
      terminal.out(csvOf(answer))
      terminal.err(nextPage((answer as { next?: string | number | null }).next))
    },
  }
}

/**
 * Returns the URL of the database that a command works on: the option, or the direct address behind
 * a connection pooler, or `BROKER_DATABASE_URL`.
 * @param to the operator's option
 */
export const databaseUrl = ({ setting }: Context, to: string | undefined): string | undefined =>
  to ?? setting('BROKER_DATABASE_DIRECT_URL') ?? setting('BROKER_DATABASE_URL')

/** Returns the database URL. @throws CommandFailure 2 if none is configured */
export function namedDatabaseUrl(context: Context, to: string | undefined): string {
  const url = databaseUrl(context, to)
  if (url === undefined)
    throw misused('Name the database: --to postgres://…, or set BROKER_DATABASE_URL.')
  return url
}

export const databaseDefault = 'default: BROKER_DATABASE_DIRECT_URL, else BROKER_DATABASE_URL'

export const option = (flags: string, about: string): Option => new Option(flags, about)

export const YES = option('--yes', 'do not ask')
export const BEFORE = option(
  '--before <cursor>',
  'the next page: the cursor that the page before printed',
)
/** The options of a paged list. */
export const paged = (most: string) => ({
  limit: option('--limit <n>', MEMBERS.limit).default(most),
  before: BEFORE,
})
/** The options that the audit log keeps with an act. */
export const CASE = {
  case_reference: option('--case <reference>', MEMBERS.case_reference),
}
export const CASE_AND_COMMENT = {
  ...CASE,
  comment: option('--comment <text>', MEMBERS.comment),
}
/** The options that narrow a list, by the member of the request. */
export const FILTER = {
  sub: option('--subject <sub>', 'only of this user'),
  client_id: option('--client <id>', 'only of this client'),
  tid: option('--tenant <tid>', 'only of this Microsoft tenant'),
  actor: option('--actor <who>', 'only acts of this actor: an id, or words of a name'),
  case_reference: option('--case <reference>', 'only of this case'),
}
/** The options that limit a list to a period. @param read reads a time as the broker expects it */
export const period = (read: (value: string) => number) =>
  [
    option('--from <time>', OPTION.from).argParser(read),
    option('--to <time>', 'only entries before this time').argParser(read),
  ] as const

/** Defines an option that is given once for each value. */
export const repeatable = (flags: string, about: string, choices?: readonly string[]): Option => {
  const made = option(flags, `${about} (repeatable)`)
  if (choices !== undefined) made.choices(choices)
  return made.argParser((value, before: string[] | undefined) => {
    if (choices?.includes(value) === false)
      throw misused(`${value} is unknown. Use one of: ${choices.join(', ')}.`)
    return [...(before ?? []), value]
  })
}

/** Adds a command, with those below it, to its parent. */
export type Adder = (parent: Command, context: Context) => unknown

/** Adds a command with its help. @param otherwise describes it where the catalog does not */
function helped(parent: Command, name: string, otherwise = ''): Command {
  const command = parent.command(name)
  const path = parent.parent === null ? command.name() : `${parent.name()} ${command.name()}`
  const { about = otherwise, more, examples = [] } = HELP[path] ?? {}
  if (more !== undefined) command.addHelpText('after', `\n${more}`)
  if (examples.length > 0)
    command.addHelpText('after', `\nExamples:\n${examples.map((text) => `  ${text}`).join('\n')}`)
  return command.description(about)
}

/** Defines a command that only holds others. */
export const group =
  (name: string, ...below: Adder[]): Adder =>
  (parent, context) => {
    const command = helped(parent, name)
    for (const add of below) add(command, context)
  }

interface Described {
  /** The command's name and arguments, such as `show <client>`. */
  name: string
  argument?: Argument
  /** The options that are no members of a request. */
  flags?: readonly Option[]
}

/** Defines a command that runs without a request of its own to the broker. */
export const local =
  <O = object>(
    { name, argument, flags = [] }: Described,
    run: (called: { context: Context; self: Command; args: string[]; options: O }) => unknown,
    about?: string,
  ): Adder =>
  (parent, context) => {
    const command = helped(parent, name, about)
    if (argument !== undefined) command.addArgument(argument)
    for (const flag of flags) command.addOption(flag)
    return command.action(async (...given: unknown[]) => {
      const self = given.at(-1) as Command
      await run({ context, self, args: self.args, options: self.opts() as O })
    })
  }

/** A called command: its first two arguments and its options. */
export interface Called<O = object> {
  context: Context
  broker: Broker
  self: Command
  id: string
  second: string
  options: O
}
/** Sends the request of a command. @param more members that replace those of its options */
type Send<A> = (more?: object) => Promise<A>

interface Verb<At extends Acts['at'], O> extends Described {
  /** The act. The arguments fill its address first, then the members that have their names. */
  at: At
  /** The options that are members of the request. */
  takes?: { readonly [K in MemberOf<At>]?: Option }
  /** Returns members that are neither an argument nor an option. */
  members?: (called: Called<O>) => object | Promise<object>
  /** Sends the request, if not at once. Returns undefined if it has printed the answer itself. */
  ask?: (
    send: Send<AnswerTo<At>>,
    called: Called<O>,
    request: RequestOf<At>,
  ) => Promise<AnswerTo<At> | undefined>
  /** The lists of the answer that are shown as tables. */
  columns?: Columns<AnswerTo<At>>
  /** Returns the text for users, where the answer's members and lists do not suffice. */
  words?: (answer: AnswerTo<At>, called: Called<O>) => string
}

/** Defines a command that carries out one act and prints the answer. */
export const verb =
  <At extends Acts['at'], O = object>(
    { at, takes = {}, members, ask, columns, words, ...described }: Verb<At, O>,
    ...below: Adder[]
  ): Adder =>
  (parent, context) => {
    const options = Object.entries<Option>(takes as Record<string, Option>)
    const flags = [...options.map(([, flag]) => flag), ...(described.flags ?? [])]
    const add = local<O>(
      { ...described, flags },
      async ({ self, args, options: given }) => {
        const broker = await context.broker(self)
        const [id = '', second = ''] = args
        const called = { context, broker, self, id, second, options: given }
        const inAddress = [...at.matchAll(/:(\w+)/g)].map(([, name]) => name)
        const request = Object.fromEntries([
          ...self.registeredArguments.map((argument, i) => [
            inAddress[i] ?? argument.name(),
            args[i],
          ]),
          ...Object.entries((await members?.(called)) ?? {}),
          ...options
            .map(([name, flag]) => [name, self.getOptionValue(flag.attributeName())])
            .filter(([, value]) => value !== undefined),
        ]) as object
        const send: Send<AnswerTo<At>> = (more) => broker.ask(at, { ...request, ...more })
        const answer = await (ask === undefined
          ? send()
          : ask(send, called, request as RequestOf<At>))
        if (answer !== undefined)
          context.print(self, answer, () => words?.(answer, called) ?? inWords(answer, columns))
      },
      `${SUMMARIES[at]}.`,
    )
    const command = add(parent, context) as Command
    for (const adder of below) adder(command, context)
  }

/** A page of a searched list. `searched_to` is set if the broker stopped the search early. */
interface Searched {
  next: string | number | null
  searched_to?: { at?: number; opened_at?: number; at_ms?: number } | null
}

/**
 * Requests pages until one is full or the list ends.
 * @param list the member of the answer that holds the entries
 */
export const fullPage =
  <K extends string>(list: K) =>
  async <A extends Searched & Record<K, unknown[]>>(
    send: Send<A>,
    { context, options: { limit } }: Called<{ limit?: string }>,
  ): Promise<A> => {
    let answer = await send()
    while (answer.searched_to && answer.next !== null) {
      const { at, opened_at: openedAt, at_ms: atMs } = answer.searched_to
      context.terminal.err(
        `Searched back to ${at === undefined && openedAt === undefined ? timeMs(atMs) : time(at ?? openedAt)}; searching further back.\n`,
      )
      const so = answer[list]
      const more = await send({ limit: Number(limit) - so.length, before: answer.next })
      answer = { ...more, [list]: [...so, ...more[list]] }
    }
    return answer
  }

/** Asks before an act that cannot be undone, unless `--yes` is given. */
export const sure =
  <O extends { yes?: boolean }>(
    does: (called: Called<O>) => string,
    word?: (id: string) => string,
  ) =>
  async <A>(send: Send<A>, called: Called<O>): Promise<A> => {
    if (called.options.yes !== true) await agree(called.context, does(called), word?.(called.id))
    return send()
  }

/**
 * Asks for confirmation before an act that cannot be undone.
 * @param does the consequence of the act, as a sentence
 * @throws CommandFailure if the user does not agree or cannot be asked
 */
export async function agree({ terminal }: Context, does: string, word = 'yes'): Promise<void> {
  if (terminal.ask === undefined) throw misused(`${does} Nothing was done. Add --yes to do it.`)
  const typed = await terminal.ask(`${does} Type ${word === 'yes' ? word : 'its name'} to do it: `)
  if (typed !== word) throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

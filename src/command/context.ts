import { Command, Option } from 'commander'
import { dataDirOf, openBroker, type Broker } from './broker.ts'
import { fenced, json } from './show.ts'
import type { Terminal } from './terminal.ts'

/** What every command is given: the terminal, the way to the broker, and one way to print an answer. */
export interface Context {
  terminal: Terminal
  /** @throws CommandFailure 3 where none runs */
  broker(command: Command): Promise<Broker>
  dataDir(command: Command): string
  /** As JSON where `--json` was said, else in words. */
  print(command: Command, answer: unknown, words: () => string): void
}

export function createContext(terminal: Terminal): Context {
  const dataDir = (command: Command): string => dataDirOf(terminal, command.optsWithGlobals<{ dataDir?: string }>().dataDir)
  return {
    terminal,
    dataDir,
    broker: (command) => openBroker(terminal, dataDir(command)),
    print: (command, answer, words) => terminal.out(command.optsWithGlobals<{ json?: boolean }>().json === true ? json(answer) : fenced(words())),
  }
}

export const asJson = (): Option => new Option('--json', 'print what the broker answered, as JSON')

/** Examples beneath a command's help. */
export function examples(command: Command, ...texts: string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${texts.map((text) => `  ${text}`).join('\n')}`)
}

/** Where the next page of a list begins. */
export const before = (): Option => new Option('--before <cursor>', 'the page after the one whose end named this')
/** @param next the cursor that the broker answered, null at the end of the list */
export const nextPage = (next: string | number | null): string => (next === null ? '' : `There are more: repeat the command with --before ${next}\n`)

export const repeated = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value]

/** A query string of what is set. */
export function queryOf(values: Record<string, string | undefined>): string {
  const query = new URLSearchParams(Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined))
  return query.size > 0 ? `?${query.toString()}` : ''
}

import type { Command } from 'commander'
import { CommandFailure, EXIT, type Broker, type Json } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'

interface Options {
  subject?: string
  tid?: string
  oid?: string
  case?: string
  comment?: string
  yes?: boolean
}

/** Users, where they ask to be forgotten. */
export function userCommands(program: Command, context: Context): void {
  eraseCommand(program.command('users').description('Users whom the broker knows.'), context)
  // Deprecated: the former name (docs/names.md).
  eraseCommand(program.command('people', { hidden: true }).description('The deprecated name of cmb users.'), context)
}

function eraseCommand(parent: Command, context: Context): void {
  examples(
    parent
      .command('erase')
      .description('Sign a user out everywhere, then forget their name, username, email, devices, and what Microsoft said of them. Ids stay.')
      .option('--subject <sub>', 'by the sub of their tokens')
      .option('--tid <tid>', 'by their Microsoft tenant, with --oid')
      .option('--oid <oid>', 'their object id there')
      .option('--case <reference>', 'your case reference, kept in the log')
      .option('--comment <text>', 'your words, kept in the log: do not name them')
      .option('--yes', 'do not ask')
      .addOption(asJson())
      .action(async (options: Options, command: Command) => {
        const who = whoOf(options)
        const broker = await context.broker(command)
        if (options.yes !== true) await agree(context, broker, who)
        const answer = await broker.send<{ sub: string; seq: number }>('POST', '/users/erase', {
          ...who,
          case_reference: options.case,
          comment: options.comment,
        })
        context.print(
          command,
          answer,
          () =>
            `${answer.sub} is signed out everywhere (number ${answer.seq} in the log) and has no name here any more. Backups made before still have it.\n`,
        )
      }),
    'cmb users erase --subject u_9fK… --case DSR-17',
    'cmb users erase --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f…',
  )
}

function whoOf({ subject, tid, oid }: Options): Json {
  if (subject !== undefined && tid === undefined && oid === undefined) return { sub: subject }
  if (subject === undefined && tid !== undefined && oid !== undefined) return { tid, oid }
  throw new CommandFailure(EXIT.usage, 'Say who: --subject, or --tid with --oid.')
}

async function agree(context: Context, broker: Broker, who: Json): Promise<void> {
  const { sub, would_end: end } = await broker.send<{ sub: string; would_end: { sessions: number } }>('POST', '/users/erase', {
    ...who,
    dry_run: true,
  })
  const what = `ends ${end.sessions} session(s) of ${sub} and forgets who that is; it cannot be undone`
  if (context.terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `This ${what}. Say --yes if that is meant; nothing was done.`)
  if ((await context.terminal.ask(`This ${what}. Type yes to do it: `)) !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

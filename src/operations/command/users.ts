import type { Command } from 'commander'
import { CommandFailure, EXIT, type Broker, type Json } from './broker.ts'
import { asJson, caseOption, type Context, examples } from './context.ts'

interface Options {
  subject?: string
  tid?: string
  oid?: string
  case?: string
  comment?: string
  yes?: boolean
}

/** Users, where they ask what is held about them, or to be forgotten. */
export function userCommands(program: Command, context: Context): void {
  const users = program.command('users').description('Export or erase what the broker holds about a user.')
  exportCommand(users, context)
  eraseCommand(users, context)
}

interface HeldPage {
  sub: string
  records: { kind: string; values: Json }[]
  next: string | null
}

function exportCommand(parent: Command, context: Context): void {
  examples(
    parent
      .command('export')
      .description(
        'Print everything that the broker holds about a user, as one JSON document: sessions, history, locks, consents, deliveries, revocations, audit entries.',
      )
      .option('--user <tid/oid>', 'their Microsoft tenant and object id')
      .option('--subject <sub>', 'or the sub of their tokens')
      .addOption(caseOption())
      .option('--comment <text>', 'a comment, kept in the audit log: do not name the user')
      .action(async ({ user, subject, case: reference, comment }: ExportOptions, command: Command) => {
        const who = exportedUser(user, subject)
        const broker = await context.broker(command)
        const held: Record<string, Json[]> = {}
        let page = await broker.send<HeldPage>('POST', '/users/export', { ...who, case_reference: reference, comment })
        for (; ; page = await broker.send<HeldPage>('POST', '/users/export', { next: page.next })) {
          for (const { kind, values } of page.records) (held[kind] ??= []).push(values)
          if (page.next === null) break
        }
        context.terminal.out(`${JSON.stringify({ sub: page.sub, ...held }, null, 2)}\n`)
      }),
    'cmb users export --user 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11/0d9f… --case DSR-17 > user.json',
  )
}

type ExportOptions = Pick<Options, 'subject' | 'case' | 'comment'> & { user?: string }

function exportedUser(user: string | undefined, subject: string | undefined): Json {
  if (subject !== undefined && user === undefined) return { sub: subject }
  const [tid, oid, ...more] = user?.split('/') ?? []
  if (subject === undefined && tid !== undefined && oid !== undefined && more.length === 0) return { tid, oid }
  throw new CommandFailure(EXIT.usage, 'Name the user: --user <tenant id>/<object id>, or --subject.')
}

function eraseCommand(parent: Command, context: Context): void {
  examples(
    parent
      .command('erase')
      .description('Sign a user out everywhere, then delete their name, username, email, devices and Microsoft data. Ids stay.')
      .option('--subject <sub>', 'by the sub of their tokens')
      .option('--tid <tid>', 'by their Microsoft tenant, with --oid')
      .option('--oid <oid>', 'their object id there')
      .addOption(caseOption())
      .option('--comment <text>', 'a comment, kept in the log: do not name the user')
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
  throw new CommandFailure(EXIT.usage, 'Name the user: --subject, or --tid with --oid.')
}

async function agree(context: Context, broker: Broker, who: Json): Promise<void> {
  const { sub, would_end: end } = await broker.send<{ sub: string; would_end: { sessions: number } }>('POST', '/users/erase', {
    ...who,
    dry_run: true,
  })
  const what = `ends ${end.sessions} session(s) of ${sub} and forgets who that is; it cannot be undone`
  if (context.terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `This ${what}. Nothing was done. Add --yes to do it.`)
  if ((await context.terminal.ask(`This ${what}. Type yes to do it: `)) !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

import type { Command } from 'commander'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import {
  agree,
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  examples,
  verb,
  withCase,
} from './context.ts'
import { userIn, withUser } from './locks.ts'

interface Options extends CaseAndComment {
  subject?: string
  tid?: string
  oid?: string
  yes?: boolean
}

/** Defines `cmb users`, for users who request their data or its erasure. */
export function userCommands(program: Command, context: Context): void {
  const users = program
    .command('users')
    .description('Export or erase what the broker holds about a user.')
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
    withCase(
      parent
        .command('export')
        .description(
          'Print everything that the broker holds about a user, as one JSON document: sessions, history, locks, consents, deliveries, revocations, audit entries.',
        )
        .option('--user <tid/oid>', 'their Microsoft tenant and object id')
        .option('--subject <sub>', 'or the sub of their tokens'),
    )
      .option('--comment <text>', 'a comment, kept in the audit log: do not name the user')
      .action(async (options: ExportOptions, command: Command) => {
        const broker = await context.broker(command)
        const send = (body: Json) => broker.send<HeldPage>('POST', '/users/export', body)
        const held: Record<string, Json[]> = {}
        let page = await send({ ...exportedUser(options), ...caseAndComment(options) })
        for (; ; page = await send({ next: page.next })) {
          for (const { kind, values } of page.records) (held[kind] ??= []).push(values)
          if (page.next === null) break
        }
        context.terminal.out(`${JSON.stringify({ sub: page.sub, ...held }, null, 2)}\n`)
      }),
    'cmb users export --user 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11/0d9f… --case DSR-17 > user.json',
  )
}

type ExportOptions = CaseAndComment & { subject?: string; user?: string }

function exportedUser({ user, subject }: ExportOptions): Json {
  if (subject !== undefined && user === undefined) return { sub: subject }
  const [tid, oid, ...more] = user?.split('/') ?? []
  if (subject === undefined && tid !== undefined && oid !== undefined && more.length === 0)
    return { tid, oid }
  throw new CommandFailure(
    EXIT.usage,
    'Name the user: --user <tenant id>/<object id>, or --subject.',
  )
}

function eraseCommand(parent: Command, context: Context): void {
  verb(parent, context, {
    name: 'erase',
    about:
      'Sign a user out everywhere, then delete their name, username, email, devices and Microsoft data. Ids stay.',
    options: (command) =>
      withCase(withUser(command))
        .option('--comment <text>', 'a comment, kept in the log: do not name the user')
        .option('--yes', 'do not ask'),
    ask: async (broker, { options }: Called<Options>) => {
      const body = { ...userIn(options), ...caseAndComment(options) }
      if (options.yes !== true) {
        const dry = await broker.send<{ sub: string; would_end: { sessions: number } }>(
          'POST',
          '/users/erase',
          { ...body, dry_run: true },
        )
        const ends = `This ends ${dry.would_end.sessions} session(s) of ${dry.sub} and forgets who that is; it cannot be undone.`
        await agree(context, ends, ends)
      }
      return broker.send<{ sub: string; seq: number }>('POST', '/users/erase', body)
    },
    words: ({ sub, seq }) =>
      `${sub} is signed out everywhere (number ${seq} in the log) and has no name here any more. Backups made before still have it.\n`,
    examples: [
      'cmb users erase --subject u_9fK… --case DSR-17',
      'cmb users erase --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f…',
    ],
  })
}

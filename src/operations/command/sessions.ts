import type { Command } from 'commander'
import type { z } from 'zod'
import type { session } from '../contract/shapes.ts'
import { type Called, type Context, fullPage, nextPage, paged, queryOf, verb } from './context.ts'
import { columns, time } from './show.ts'

const HEAD = ['SESSION', 'SUBJECT', 'USER', 'DEVICE', 'OPENED', 'ACTIVE', 'CLIENTS']

/** Defines `cmb sessions`, which lists live sessions. */
export function sessionCommands(program: Command, context: Context): void {
  const sessions = program.command('sessions').description('List users who are signed in.')
  verb(sessions, context, {
    name: 'list',
    about: 'List live sessions, newest first.',
    options: (command) =>
      paged('100')(
        command
          .option('--user <text>', 'beginnings of words of a name or username, or a whole oid')
          .option('--sub <sub>', 'one user, by the sub of their tokens')
          .option('--client <id>', 'only those in which this client took part')
          .option('--tenant <tid>', 'only those of one Microsoft tenant'),
      ),
    ask: (
      broker,
      {
        options,
      }: Called<
        Record<'user' | 'sub' | 'client' | 'tenant' | 'limit' | 'before', string | undefined>
      >,
    ) => {
      const { user, sub, client, tenant } = options
      return fullPage(context.terminal, 'sessions', options, (more) =>
        broker.get<{ sessions: z.output<typeof session>[]; next: string | null }>(
          `/sessions${queryOf({ user, sub, client_id: client, tid: tenant, ...more })}`,
        ),
      )
    },
    words: ({ sessions: found, next }) => {
      const rows = found.map((one) => [
        one.sid,
        one.sub,
        one.user.username ?? one.user.name,
        one.device,
        time(one.opened_at),
        time(one.last_active_at),
        one.clients.map((client) => client.client_id).join(' '),
      ])
      return columns(HEAD, rows, 'No live session matches.') + nextPage(next)
    },
    examples: ['cmb sessions list --user alice', 'cmb sessions list --client sydney --json'],
  })
}

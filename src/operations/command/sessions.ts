import type { Command } from 'commander'
import { asJson, before, examples, fullPage, nextPage, queryOf, type Context } from './context.ts'
import { columns, time } from './show.ts'

interface SessionShown {
  sid: string
  sub: string
  user: { tid: string; name: string | null; username: string | null }
  device: string
  opened_at: number
  last_active_at: number
  clients: { client_id: string }[]
}

/** Who is signed in. */
export function sessionCommands(program: Command, context: Context): void {
  const sessions = program.command('sessions').description('List users who are signed in.')
  examples(
    sessions
      .command('list')
      .description('List live sessions, newest first.')
      .option('--user <text>', 'beginnings of words of a name or username, or a whole oid')
      .option('--sub <sub>', 'one user, by the sub of their tokens')
      .option('--client <id>', 'only those in which this client took part')
      .option('--tenant <tid>', 'only those of one Microsoft tenant')
      .option('--limit <n>', 'how many at most', '100')
      .addOption(before())
      .addOption(asJson())
      .action(async (options: Record<'user' | 'sub' | 'client' | 'tenant' | 'limit' | 'before', string | undefined>, command: Command) => {
        const query = {
          user: options.user,
          sub: options.sub,
          client_id: options.client,
          tid: options.tenant,
        }
        const broker = await context.broker(command)
        const answer = await fullPage(context.terminal, 'sessions', options, (more) =>
          broker.get<{ sessions: SessionShown[]; next: string | null }>(`/sessions${queryOf({ ...query, ...more })}`),
        )
        context.print(command, answer, () => sessionWords(answer))
      }),
    'cmb sessions list --user alice',
    'cmb sessions list --client sydney --json',
  )
}

function sessionWords({ sessions, next }: { sessions: SessionShown[]; next: string | null }): string {
  if (sessions.length === 0) return 'No live session matches.\n'
  const rows = sessions.map((one) => [
    one.sid,
    one.sub,
    one.user.username ?? one.user.name,
    one.device,
    time(one.opened_at),
    time(one.last_active_at),
    one.clients.map((client) => client.client_id).join(' '),
  ])
  return `${columns(['SESSION', 'SUBJECT', 'USER', 'DEVICE', 'OPENED', 'ACTIVE', 'CLIENTS'], rows)}${nextPage(next)}`
}

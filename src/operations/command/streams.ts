import type { Command } from 'commander'
import type { Json } from './broker.ts'
import { asJson, caseOption, commentOption, type Context, examples, queryOf, type Said, saidOf } from './context.ts'
import { columns, members } from './show.ts'

/** The streams by which other systems receive security events. */

type Shown = Json & { id: string; client_id: string; method: string; status: string; status_by: string; endpoint_url: string | null }

const pathOf = (id: string, rest = ''): string => `/streams/${encodeURIComponent(id)}${rest}`
const methodOf = ({ method }: Shown): string => (method.endsWith('8935') ? 'push' : 'poll')
const withCase = (command: Command): Command => command.addOption(caseOption()).addOption(commentOption()).addOption(asJson())

export function streamCommands(program: Command, context: Context): void {
  const streams = program.command('streams').description('Manage streams of Shared Signals receivers (docs/shared-signals.md).')
  readingCommands(streams, context)
  changingCommands(streams, context)
}

function readingCommands(streams: Command, context: Context): void {
  streams
    .command('list')
    .description('List every stream.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ streams: Shown[] }>('/streams')
      context.print(command, answer, () =>
        answer.streams.length === 0
          ? 'None yet: receivers create their own (docs/shared-signals.md).\n'
          : columns(
              ['STREAM', 'CLIENT', 'STATUS', 'BY', 'METHOD', 'ADDRESS'],
              answer.streams.map((one) => [one.id, one.client_id, one.status, one.status_by, methodOf(one), one.endpoint_url]),
            ),
      )
    })
  streams
    .command('show <stream>')
    .description('Show one stream.')
    .addOption(asJson())
    .action(async (id: string, _options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<Shown>(pathOf(id))
      context.print(command, answer, () => members(answer))
    })
}

function changingCommands(streams: Command, context: Context): void {
  examples(
    withCase(
      streams
        .command('disable <stream> <reason>')
        .description('Disable a stream and close its pending events. The broker sends the reason to the receiver.'),
    ).action(async (id: string, reason: string, options: Said, command: Command) => {
      const answer = await (await context.broker(command)).send<Shown>('POST', pathOf(id, '/disable'), { reason, ...saidOf(options) })
      context.print(command, answer, () => members(answer))
    }),
    'cmb streams disable st_9fK… "the endpoint answers 500 since Monday"',
  )
  examples(
    withCase(streams.command('remove <stream>').description('Remove a stream, and close its pending events.')).action(
      async (id: string, options: Said, command: Command) => {
        const answer = await (await context.broker(command)).send('DELETE', `${pathOf(id)}${queryOf(saidOf(options))}`)
        context.print(command, answer, () => `${id} is removed.\n`)
      },
    ),
    'cmb streams remove st_9fK… --case INC-4711',
  )
}

import type { Command } from 'commander'
import type { z } from 'zod'
import type { stream } from '../contract/shapes.ts'
import {
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  path,
  queryOf,
  verb,
  withCaseAndComment,
} from './context.ts'
import { columns, members } from './show.ts'

/** Defines `cmb streams`: the streams that send security events to other systems. */

type Shown = z.output<typeof stream>

const methodOf = ({ method }: Shown): string => (method.endsWith('8935') ? 'push' : 'poll')

export function streamCommands(program: Command, context: Context): void {
  const streams = program
    .command('streams')
    .description('Manage streams of Shared Signals receivers (docs/shared-signals.md).')
  verb(streams, context, {
    name: 'list',
    about: 'List every stream.',
    ask: (broker) => broker.get<{ streams: Shown[] }>('/streams'),
    words: (answer) =>
      columns(
        ['STREAM', 'CLIENT', 'STATUS', 'BY', 'METHOD', 'ADDRESS'],
        answer.streams.map((one) => [
          one.id,
          one.client_id,
          one.status,
          one.status_by,
          methodOf(one),
          one.endpoint_url,
        ]),
        'None yet: receivers create their own (docs/shared-signals.md).',
      ),
  })
  verb(streams, context, {
    name: 'show <stream>',
    about: 'Show one stream.',
    ask: (broker, { id }) => broker.get<Shown>(path`/streams/${id}`),
    words: members,
  })
  changingCommands(streams, context)
}

function changingCommands(streams: Command, context: Context): void {
  verb(streams, context, {
    name: 'disable <stream> <reason>',
    about:
      'Disable a stream and close its pending events. The broker sends the reason to the receiver.',
    options: withCaseAndComment,
    ask: (broker, { id, second: reason, options }: Called<CaseAndComment>) =>
      broker.send<Shown>('POST', path`/streams/${id}/disable`, {
        reason,
        ...caseAndComment(options),
      }),
    words: members,
    examples: ['cmb streams disable st_9fK… "the endpoint answers 500 since Monday"'],
  })
  verb(streams, context, {
    name: 'remove <stream>',
    about: 'Remove a stream, and close its pending events.',
    options: withCaseAndComment,
    ask: (broker, { id, options }: Called<CaseAndComment>) =>
      broker.send('DELETE', path`/streams/${id}` + queryOf(caseAndComment(options))),
    words: (_, { id }) => `${id} is removed.\n`,
    examples: ['cmb streams remove st_9fK… --case INC-4711'],
  })
}

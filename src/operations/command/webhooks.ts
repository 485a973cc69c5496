import { Option, type Command } from 'commander'
import type { z } from 'zod'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import type { webhook } from '../contract/shapes.ts'
import { CommandFailure, EXIT } from './broker.ts'
import {
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  path,
  queryOf,
  repeated,
  verb,
  withCaseAndComment,
} from './context.ts'
import { columns, json, members } from './show.ts'

/** Defines `cmb webhooks`, for the endpoints that the broker sends events to. */

type Shown = z.output<typeof webhook> & { secret?: string }
interface Settings extends CaseAndComment {
  address?: string
  description?: string
  event?: string[]
  include?: string[]
}

export function webhookCommands(program: Command, context: Context): void {
  const webhooks = program
    .command('webhooks')
    .description(
      'Manage webhook endpoints: systems to which the broker sends events (docs/webhooks.md).',
    )
  readingCommands(webhooks, context)
  settingCommands(webhooks, context)
  otherCommands(webhooks, context)
}

const withSettings = (command: Command): Command =>
  command
    .option('--description <text>', 'what it is for')
    .addOption(
      new Option('--event <type>', 'an event to send; repeat it for more')
        .choices(WEBHOOK_TYPES)
        .argParser(choice(WEBHOOK_TYPES)),
    )
    .addOption(
      new Option('--include <data>', 'personal data that its events may hold; repeat it for more')
        .choices(WEBHOOK_SWITCHES)
        .argParser(choice(WEBHOOK_SWITCHES)),
    )

/** Returns the parser of a repeatable option. @throws CommandFailure for an unknown choice */
const choice =
  (choices: readonly string[]) =>
  (value: string, before: string[] | undefined): string[] => {
    if (!choices.includes(value))
      throw new CommandFailure(
        EXIT.usage,
        `${value} is unknown. Use one of: ${choices.join(', ')}.`,
      )
    return repeated(value, before)
  }

const settingsOf = ({ address: url, description, event: events, include, ...said }: Settings) => ({
  url,
  description,
  events,
  include,
  ...caseAndComment(said),
})

function words({ secret, ...shown }: Shown): string {
  const read = members(shown)
  return secret === undefined
    ? read
    : `${read}\nIts secret, shown only this once and stored sealed:\n${secret}\n`
}

function readingCommands(webhooks: Command, context: Context): void {
  verb(webhooks, context, {
    name: 'list',
    about: 'List every endpoint.',
    ask: (broker) => broker.get<{ webhooks: Shown[] }>('/webhooks'),
    words: (answer) =>
      columns(
        ['WEBHOOK', 'STATE', 'MESSAGES', 'ADDRESS', 'EVENTS'],
        answer.webhooks.map((one) => [
          one.id,
          one.state,
          one.position,
          one.url,
          one.events.join(' '),
        ]),
        'None yet: cmb webhooks add --help',
      ),
  })
  verb(webhooks, context, {
    name: 'show <webhook>',
    about: 'Show one endpoint. Its secret is shown only when it is made.',
    ask: (broker, { id }) => broker.get<Shown>(path`/webhooks/${id}`),
    words,
  })
  webhooks
    .command('schema')
    .description('Print the JSON Schema of the messages. Needs no broker.')
    .action(async () => {
      const { webhookJsonSchema } = await import('../../protocol/webhook-event.ts')
      context.terminal.out(json(webhookJsonSchema()))
    })
}

function settingCommands(webhooks: Command, context: Context): void {
  verb(webhooks, context, {
    name: 'add <url>',
    about: 'Add an endpoint. Its secret is printed once.',
    options: (command) => withSettings(withCaseAndComment(command)),
    ask: (broker, { id: url, options }: Called<Settings>) => {
      if (options.event === undefined)
        throw new CommandFailure(
          EXIT.usage,
          `Name the events with --event: ${WEBHOOK_TYPES.join(', ')}.`,
        )
      return broker.send<Shown>('POST', '/webhooks', { ...settingsOf(options), url })
    },
    words,
    examples: [
      'cmb webhooks add https://siem.example/broker --event revocation.theft --event revocation.wide',
    ],
  })
  verb(webhooks, context, {
    name: 'change <webhook>',
    about: 'Change the given fields and keep the others. A list replaces the former list.',
    options: (command) =>
      withSettings(withCaseAndComment(command))
        .option('--address <url>', 'another address')
        .option('--enable', 'send events again')
        .option('--disable <reason>', 'send no more events, and close pending ones'),
    ask: (broker, { id, options }: Called<Settings & { enable?: boolean; disable?: string }>) => {
      const { enable, disable } = options
      if (enable === true && disable !== undefined)
        throw new CommandFailure(EXIT.usage, 'Use --enable or --disable, not both.')
      const state =
        enable === true
          ? { state: 'enabled', cause: null }
          : disable === undefined
            ? {}
            : { state: 'disabled', cause: disable }
      return broker.send<Shown>('PATCH', path`/webhooks/${id}`, {
        ...settingsOf(options),
        ...state,
      })
    },
    words,
    examples: [
      'cmb webhooks change wh_9fK… --event revocation.theft --include case_references',
      'cmb webhooks change wh_9fK… --address https://siem.example/events',
      'cmb webhooks change wh_9fK… --disable "the receiver moves"',
    ],
  })
}

function otherCommands(webhooks: Command, context: Context): void {
  verb(webhooks, context, {
    name: 'rotate-secret <webhook>',
    about: 'Make a new secret, printed once. Both sign until the overlap ends.',
    options: (command) =>
      withCaseAndComment(command).option(
        '--overlap <seconds>',
        'how long the former secret signs too; 0: it ends at once',
        '86400',
      ),
    ask: (broker, { id, options }: Called<CaseAndComment & { overlap: string }>) =>
      broker.send<Shown>('POST', path`/webhooks/${id}/secrets`, {
        overlap_seconds: Number(options.overlap),
        ...caseAndComment(options),
      }),
    words,
    examples: [
      'cmb webhooks rotate-secret wh_9fK…',
      'cmb webhooks rotate-secret wh_9fK… --overlap 0 --case INC-4711',
    ],
  })
  verb(webhooks, context, {
    name: 'test <webhook>',
    about: 'Send a test event, whichever events the endpoint gets.',
    ask: (broker, { id }) =>
      broker.send<{ delivery_id: string }>('POST', path`/webhooks/${id}/test`),
    words: (answer, { id }) =>
      `Sent as delivery ${answer.delivery_id}: cmb deliveries list --client ${id} shows how it went.\n`,
    examples: ['cmb webhooks test wh_9fK…'],
  })
  verb(webhooks, context, {
    name: 'remove <webhook>',
    about: 'Remove an endpoint, and close its pending deliveries.',
    options: withCaseAndComment,
    ask: (broker, { id, options }: Called<CaseAndComment>) =>
      broker.send('DELETE', path`/webhooks/${id}` + queryOf(caseAndComment(options))),
    words: (_, { id }) => `${id} is removed.\n`,
    examples: ['cmb webhooks remove wh_9fK…'],
  })
}

import { Option, type Command } from 'commander'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { asJson, caseOption, commentOption, type Context, examples, queryOf, repeated, type Said, saidOf } from './context.ts'
import { columns, json, members } from './show.ts'

/** Webhook endpoints: where the broker sends events. */

type Shown = Json & {
  id: string
  url: string
  events: string[]
  include: string[]
  state: string
  cause: string | null
  position: number
  secret?: string
}
interface Settings extends Said {
  address?: string
  description?: string
  event?: string[]
  include?: string[]
}

export function webhookCommands(program: Command, context: Context): void {
  const webhooks = program.command('webhooks').description('Manage webhook endpoints: systems to which the broker sends events (docs/webhooks.md).')
  readingCommands(webhooks, context)
  addCommand(webhooks, context)
  changeCommand(webhooks, context)
  rotateCommand(webhooks, context)
  testCommand(webhooks, context)
  removeCommand(webhooks, context)
}

const pathOf = (id: string, rest = ''): string => `/webhooks/${encodeURIComponent(id)}${rest}`
const withCase = (command: Command): Command => command.addOption(caseOption()).addOption(commentOption()).addOption(asJson())
const withSettings = (command: Command): Command =>
  withCase(command)
    .option('--description <text>', 'what it is for')
    .addOption(new Option('--event <type>', 'an event to send; repeat it for more').choices(WEBHOOK_TYPES).argParser(choice(WEBHOOK_TYPES)))
    .addOption(
      new Option('--include <data>', 'personal data that its events may hold; repeat it for more')
        .choices(WEBHOOK_SWITCHES)
        .argParser(choice(WEBHOOK_SWITCHES)),
    )

/** Of a repeated option. @throws CommandFailure where it is none of them */
const choice =
  (choices: readonly string[]) =>
  (value: string, before: string[] | undefined): string[] => {
    if (!choices.includes(value)) throw new CommandFailure(EXIT.usage, `${value} is unknown. Use one of: ${choices.join(', ')}.`)
    return repeated(value, before)
  }

const settingsOf = ({ address, description, event, include }: Settings) => ({ url: address, description, events: event, include })

function words({ secret, ...shown }: Shown): string {
  const read = members(shown)
  return secret === undefined ? read : `${read}\nIts secret, shown only this once and stored sealed:\n${secret}\n`
}

function readingCommands(webhooks: Command, context: Context): void {
  webhooks
    .command('list')
    .description('List every endpoint.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ webhooks: Shown[] }>('/webhooks')
      context.print(command, answer, () =>
        answer.webhooks.length === 0
          ? 'None yet: cmb webhooks add --help\n'
          : columns(
              ['WEBHOOK', 'STATE', 'MESSAGES', 'ADDRESS', 'EVENTS'],
              answer.webhooks.map((one) => [one.id, one.state, one.position, one.url, one.events.join(' ')]),
            ),
      )
    })
  webhooks
    .command('show <webhook>')
    .description('Show one endpoint. Its secret is shown only when it is made.')
    .addOption(asJson())
    .action(async (id: string, _options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<Shown>(pathOf(id))
      context.print(command, answer, () => words(answer))
    })
  webhooks
    .command('schema')
    .description('Print the JSON Schema of the messages. Needs no broker.')
    .action(async () => {
      const { webhookJsonSchema } = await import('../../protocol/webhook-event.ts')
      context.terminal.out(json(webhookJsonSchema()))
    })
}

function addCommand(webhooks: Command, context: Context): void {
  examples(
    withSettings(webhooks.command('add <url>').description('Add an endpoint. Its secret is printed once.')).action(
      async (url: string, options: Settings, command: Command) => {
        if (options.event === undefined) throw new CommandFailure(EXIT.usage, `Name the events with --event: ${WEBHOOK_TYPES.join(', ')}.`)
        const body = { ...settingsOf(options), url, ...saidOf(options) }
        const answer = await (await context.broker(command)).send<Shown>('POST', '/webhooks', body)
        context.print(command, answer, () => words(answer))
      },
    ),
    'cmb webhooks add https://siem.example/broker --event revocation.theft --event revocation.wide',
  )
}

function changeCommand(webhooks: Command, context: Context): void {
  examples(
    withSettings(webhooks.command('change <webhook>').description('Change the given fields and keep the others. A list replaces the former list.'))
      .option('--address <url>', 'another address')
      .option('--enable', 'send events again')
      .option('--disable <reason>', 'send no more events, and close pending ones')
      .action(async (id: string, options: Settings & { enable?: boolean; disable?: string }, command: Command) => {
        const { enable, disable } = options
        if (enable === true && disable !== undefined) throw new CommandFailure(EXIT.usage, 'Use --enable or --disable, not both.')
        const state = enable === true ? { state: 'enabled', cause: null } : disable === undefined ? {} : { state: 'disabled', cause: disable }
        const body = { ...settingsOf(options), ...state, ...saidOf(options) }
        const answer = await (await context.broker(command)).send<Shown>('PATCH', pathOf(id), body)
        context.print(command, answer, () => words(answer))
      }),
    'cmb webhooks change wh_9fK… --event revocation.theft --include case_references',
    'cmb webhooks change wh_9fK… --address https://siem.example/events',
    'cmb webhooks change wh_9fK… --disable "the receiver moves"',
  )
}

function rotateCommand(webhooks: Command, context: Context): void {
  examples(
    withCase(webhooks.command('rotate-secret <webhook>').description('Make a new secret, printed once. Both sign until the overlap ends.'))
      .option('--overlap <seconds>', 'how long the former secret signs too; 0: it ends at once', '86400')
      .action(async (id: string, options: Said & { overlap: string }, command: Command) => {
        const body = { overlap_seconds: Number(options.overlap), ...saidOf(options) }
        const answer = await (await context.broker(command)).send<Shown>('POST', pathOf(id, '/secrets'), body)
        context.print(command, answer, () => words(answer))
      }),
    'cmb webhooks rotate-secret wh_9fK…',
    'cmb webhooks rotate-secret wh_9fK… --overlap 0 --case INC-4711',
  )
}

function testCommand(webhooks: Command, context: Context): void {
  examples(
    webhooks
      .command('test <webhook>')
      .description('Send a test event, whichever events the endpoint gets.')
      .addOption(asJson())
      .action(async (id: string, _options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send<{ delivery_id: string }>('POST', pathOf(id, '/test'))
        context.print(command, answer, () => `Sent as delivery ${answer.delivery_id}: cmb deliveries list --client ${id} shows how it went.\n`)
      }),
    'cmb webhooks test wh_9fK…',
  )
}

function removeCommand(webhooks: Command, context: Context): void {
  examples(
    withCase(webhooks.command('remove <webhook>').description('Remove an endpoint, and close its pending deliveries.')).action(
      async (id: string, options: Said, command: Command) => {
        const answer = await (await context.broker(command)).send('DELETE', `${pathOf(id)}${queryOf(saidOf(options))}`)
        context.print(command, answer, () => `${id} is removed.\n`)
      },
    ),
    'cmb webhooks remove wh_9fK…',
  )
}

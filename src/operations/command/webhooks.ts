import { MEMBERS } from '../../protocol/texts/members.ts'
import { WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../protocol/webhook-types.ts'
import { misused } from './broker.ts'
import { CASE_AND_COMMENT, type Called, group, option, repeatable, verb } from './context.ts'
import { OPTION } from './texts/options.ts'

const SETTINGS = {
  description: option('--description <text>', MEMBERS.description),
  events: repeatable('--event <type>', MEMBERS.events, WEBHOOK_TYPES),
  include: repeatable('--include <data>', MEMBERS.include, WEBHOOK_SWITCHES),
  ...CASE_AND_COMMENT,
}

/** The commands `cmb webhooks`, for the endpoints that the broker sends events to. */
export const webhookCommands = group(
  'webhooks',
  verb({
    name: 'list',
    at: 'GET /webhooks',
    columns: { webhooks: ['id', 'state', 'position', 'url', 'events'] },
  }),
  verb({
    name: 'show <webhook>',
    at: 'GET /webhooks/:id',
  }),
  verb({
    name: 'add <url>',
    at: 'POST /webhooks',
    takes: SETTINGS,
    members: ({ options: { event } }: Called<{ event?: string[] }>) => {
      if (event !== undefined) return {}
      throw misused(`Name the events with --event: ${WEBHOOK_TYPES.join(', ')}.`)
    },
  }),
  verb({
    name: 'change <webhook>',
    at: 'PATCH /webhooks/:id',
    takes: { ...SETTINGS, url: option('--address <url>', 'another address') },
    flags: [
      option('--enable', 'send events again'),
      option('--disable <reason>', 'send no more events, and close pending ones'),
    ],
    members: ({
      options: { enable, disable: cause },
    }: Called<{ enable?: boolean; disable?: string }>) => {
      if (enable === true && cause !== undefined)
        throw misused('Use --enable or --disable, not both.')
      if (enable === true) return { state: 'enabled', cause: null }
      return cause === undefined ? {} : { state: 'disabled', cause }
    },
  }),
  verb({
    name: 'rotate-secret <webhook>',
    at: 'POST /webhooks/:id/secrets',
    takes: {
      overlap_seconds: option('--overlap <seconds>', OPTION.overlap)
        .default(86_400)
        .argParser(Number),
      ...CASE_AND_COMMENT,
    },
  }),
  verb({
    name: 'test <webhook>',
    at: 'POST /webhooks/:id/test',
    words: (answer, { id }) =>
      `Sent as delivery ${answer.delivery_id}: cmb deliveries list --client ${id} shows how it went.\n`,
  }),
  verb({
    name: 'remove <webhook>',
    at: 'DELETE /webhooks/:id',
    takes: CASE_AND_COMMENT,
  }),
)

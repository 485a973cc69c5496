import { CommandFailure, EXIT } from './broker.ts'
import { CASE, type Called, group, option, paged, verb } from './context.ts'
import { table } from './show.ts'

const TARGETS = {
  client_id: option('--client <id>', 'all to this client'),
  target_id: option('--target <id>', 'all to one logout address, by its target id'),
}

/** Checks that exactly one selection is given. @throws CommandFailure otherwise */
const oneOf =
  (does: string, also = '') =>
  ({ id, options: { client, target, all } }: Called<Record<string, unknown>>) => {
    if ([id || undefined, client, target, all].filter((one) => one !== undefined).length !== 1)
      throw new CommandFailure(
        EXIT.usage,
        `Name what to ${does} by exactly one of: a delivery, --client, --target${also}.`,
      )
    return {}
  }

/** The commands `cmb deliveries`: list, redrive and close. */
export const deliveryCommands = group(
  'deliveries',
  'List, redrive and close deliveries: pending, delivered, rejected and failed.',
  verb({
    name: 'list',
    at: 'GET /deliveries',
    about: 'List deliveries, newest first.',
    takes: {
      state: option(
        '--state <state>',
        'pending, delivered, rejected, failed, superseded or closed',
      ),
      client_id: option('--client <id>', 'only those to this client'),
      seq: option('--seq <seq>', 'only those of one revocation'),
      ...paged('100'),
    },
    words: ({ deliveries, next }) =>
      table(
        deliveries,
        {
          DELIVERY: 'id',
          SEQ: 'seq',
          CLIENT: 'client_id',
          STATE: 'state',
          ATTEMPTS: 'attempts_made',
          NEXT: 'next_attempt_at_ms',
          STATUS: 'last_status',
          ERROR: 'last_error',
          ADDRESS: 'uri',
        },
        'No delivery matches.',
        next,
      ),
    examples: [
      'cmb deliveries list --state failed',
      'cmb deliveries list --client sydney --state pending',
    ],
  }),
  verb({
    name: 'redrive [id]',
    at: 'POST /deliveries/redrive',
    about:
      'Retry rejected and failed deliveries: one delivery, a client, a logout address, or all.',
    takes: { ...TARGETS, all: option('--all', 'all of them') },
    members: oneOf('redrive', ', --all'),
    words: ({ redriven }) =>
      redriven === 0
        ? 'There is no rejected or failed delivery there; nothing was done.\n'
        : `${redriven} will be retried now.\n`,
    examples: ['cmb deliveries redrive --client sydney', 'cmb deliveries redrive --all'],
  }),
  verb({
    name: 'close [id]',
    at: 'POST /deliveries/close',
    about:
      'Close pending, rejected or failed deliveries with a reason: the broker no longer sends them. One delivery, a client, or a logout address.',
    takes: {
      ...TARGETS,
      reason: option(
        '--reason <text>',
        'why, kept with each delivery and in the audit log',
      ).makeOptionMandatory(),
      ...CASE,
    },
    members: oneOf('close'),
    words: ({ closed }) =>
      closed === 0
        ? 'There is no pending, rejected or failed delivery there. Nothing was closed.\n'
        : `${closed} closed.\n`,
    examples: [
      'cmb deliveries close --client perth --reason "the instance is gone" --case INC-4711',
      'cmb deliveries close --target t_9fK… --reason "the address was wrong"',
    ],
  }),
  verb({
    name: 'try <id>',
    at: 'POST /deliveries/try',
    about:
      'Make the next attempt of a pending delivery now. Other deliveries keep their order and their times.',
    words: () => 'Its next attempt is due now. cmb deliveries list shows what comes of it.\n',
    examples: ['cmb deliveries try d_0mi8…'],
  }),
)

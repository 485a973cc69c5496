import { misused } from './broker.ts'
import { CASE, type Called, FILTER, group, option, paged, verb } from './context.ts'
import { OPTION } from './texts/options.ts'

const TARGETS = {
  client_id: option('--client <id>', 'all to this client'),
  target_id: option('--target <id>', 'all to one logout address, by its target id'),
}

/** Checks that exactly one selection is given. @throws CommandFailure otherwise */
const oneOf =
  (does: string, also = '') =>
  ({ id, options: { client, target, all } }: Called<Record<string, unknown>>) => {
    if (
      [id || undefined, client, target, all].filter((candidate) => candidate !== undefined)
        .length !== 1
    )
      throw misused(
        `Name what to ${does} by exactly one of: a delivery, --client, --target${also}.`,
      )
    return {}
  }

/** The commands `cmb deliveries`: list, redrive and close. */
export const deliveryCommands = group(
  'deliveries',
  verb({
    name: 'list',
    at: 'GET /deliveries',
    takes: {
      state: option(
        '--state <state>',
        'pending, delivered, rejected, failed, superseded or closed',
      ),
      client_id: FILTER.client_id,
      seq: option('--seq <seq>', 'only those of one revocation'),
      ...paged('100'),
    },
    columns: {
      deliveries: [
        'id',
        'seq',
        'client_id',
        'state',
        'attempts_made',
        'next_attempt_at_ms',
        'last_status',
        'last_error',
        'uri',
      ],
    },
  }),
  verb({
    name: 'redrive [id]',
    at: 'POST /deliveries/redrive',
    takes: { ...TARGETS, all: option('--all', 'all of them') },
    members: oneOf('redrive', ', --all'),
  }),
  verb({
    name: 'close [id]',
    at: 'POST /deliveries/close',
    takes: {
      ...TARGETS,
      reason: option('--reason <text>', OPTION.reason).makeOptionMandatory(),
      ...CASE,
    },
    members: oneOf('close'),
  }),
  verb({
    name: 'try <id>',
    at: 'POST /deliveries/try',
    words: () => 'Its next attempt is due now. cmb deliveries list shows what comes of it.\n',
  }),
)

import type { Command } from 'commander'
import type { z } from 'zod'
import type { delivery } from '../contract/shapes.ts'
import { CommandFailure, EXIT } from './broker.ts'
import { type Called, type Context, nextPage, paged, queryOf, verb, withCase } from './context.ts'
import { columns, timeMs } from './show.ts'

const HEAD = [
  'DELIVERY',
  'SEQ',
  'CLIENT',
  'STATE',
  'ATTEMPTS',
  'NEXT',
  'STATUS',
  'ERROR',
  'ADDRESS',
]

/** Defines `cmb deliveries`: list, redrive and close. */
export function deliveryCommands(program: Command, context: Context): void {
  const deliveries = program
    .command('deliveries')
    .description('List, redrive and close deliveries: pending, delivered, rejected and failed.')
  verb(deliveries, context, {
    name: 'list',
    about: 'List deliveries, newest first.',
    options: (command) =>
      paged('100')(
        command
          .option('--state <state>', 'pending, delivered, rejected, failed, superseded or closed')
          .option('--client <id>', 'only those to this client')
          .option('--seq <seq>', 'only those of one revocation'),
      ),
    ask: (
      broker,
      {
        options,
      }: Called<Record<'state' | 'client' | 'seq' | 'limit' | 'before', string | undefined>>,
    ) => {
      const { state, client, seq, limit, before } = options
      return broker.get<{ deliveries: z.output<typeof delivery>[]; next: string | null }>(
        `/deliveries${queryOf({ state, client_id: client, seq, limit, before })}`,
      )
    },
    words: ({ deliveries: found, next }) => {
      const rows = found.map((one) => [
        one.id,
        one.seq,
        one.client_id,
        one.state,
        one.attempts_made,
        timeMs(one.next_attempt_at_ms),
        one.last_status,
        one.last_error,
        one.uri,
      ])
      return columns(HEAD, rows, 'No delivery matches.') + nextPage(next)
    },
    examples: [
      'cmb deliveries list --state failed',
      'cmb deliveries list --client sydney --state pending',
    ],
  })
  redriveCommand(deliveries, context)
  closeCommand(deliveries, context)
  tryCommand(deliveries, context)
}

function tryCommand(deliveries: Command, context: Context): void {
  verb(deliveries, context, {
    name: 'try <delivery>',
    about:
      'Make the next attempt of a pending delivery now. Other deliveries keep their order and their times.',
    ask: (broker, { id }) => broker.send('POST', '/deliveries/try', { id }),
    words: () => 'Its next attempt is due now. cmb deliveries list shows what comes of it.\n',
    examples: ['cmb deliveries try d_0mi8…'],
  })
}

interface Which {
  client?: string
  target?: string
  all?: boolean
}

const withTargets = (command: Command): Command =>
  command
    .option('--client <id>', 'all to this client')
    .option('--target <id>', 'all to one logout address, by its target id')

/** Returns the selected deliveries. @throws CommandFailure unless exactly one selection is given */
function whichOf(does: string, id: string, { client, target, all }: Which) {
  const which = { id: id || undefined, client_id: client, target_id: target, all }
  if (Object.values(which).filter((one) => one !== undefined).length === 1) return which
  throw new CommandFailure(
    EXIT.usage,
    `Name what to ${does} by exactly one of: a delivery, --client, --target${does === 'redrive' ? ', --all' : ''}.`,
  )
}

function redriveCommand(deliveries: Command, context: Context): void {
  verb(deliveries, context, {
    name: 'redrive [delivery]',
    about:
      'Retry rejected and failed deliveries: one delivery, a client, a logout address, or all.',
    options: (command) => withTargets(command).option('--all', 'all of them'),
    ask: (broker, { id, options }: Called<Which>) =>
      broker.send<{ redriven: number }>(
        'POST',
        '/deliveries/redrive',
        whichOf('redrive', id, options),
      ),
    words: ({ redriven }) =>
      redriven === 0
        ? 'There is no rejected or failed delivery there; nothing was done.\n'
        : `${redriven} will be retried now.\n`,
    examples: ['cmb deliveries redrive --client sydney', 'cmb deliveries redrive --all'],
  })
}

function closeCommand(deliveries: Command, context: Context): void {
  verb(deliveries, context, {
    name: 'close [delivery]',
    about:
      'Close pending, rejected or failed deliveries with a reason: the broker no longer sends them. One delivery, a client, or a logout address.',
    options: (command) =>
      withCase(
        withTargets(command).requiredOption(
          '--reason <text>',
          'why, kept with each delivery and in the audit log',
        ),
      ),
    ask: (
      broker,
      { id, options }: Called<Omit<Which, 'all'> & { reason: string; case?: string }>,
    ) =>
      broker.send<{ closed: number }>('POST', '/deliveries/close', {
        ...whichOf('close', id, options),
        reason: options.reason,
        case_reference: options.case,
      }),
    words: ({ closed }) =>
      closed === 0
        ? 'There is no pending, rejected or failed delivery there. Nothing was closed.\n'
        : `${closed} closed.\n`,
    examples: [
      'cmb deliveries close --client perth --reason "the instance is gone" --case INC-4711',
      'cmb deliveries close --target t_9fK… --reason "the address was wrong"',
    ],
  })
}

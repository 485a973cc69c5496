import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { asJson, before, caseOption, type Context, examples, nextPage, queryOf } from './context.ts'
import { columns, timeMs, type Cell } from './show.ts'

/** Deliveries to instances, and the redrive of failed ones. */
export function deliveryCommands(program: Command, context: Context): void {
  const deliveries = program.command('deliveries').description('List, redrive and close deliveries: pending, delivered, rejected and failed.')
  examples(
    deliveries
      .command('list')
      .description('List deliveries, newest first.')
      .option('--state <state>', 'pending, delivered, rejected, failed, superseded or closed')
      .option('--client <id>', 'only those to this client')
      .option('--seq <seq>', 'only those of one revocation')
      .option('--limit <n>', 'how many at most', '100')
      .addOption(before())
      .addOption(asJson())
      .action(async (options: Record<'state' | 'client' | 'seq' | 'limit' | 'before', string | undefined>, command: Command) => {
        const query = queryOf({ state: options.state, client_id: options.client, seq: options.seq, limit: options.limit, before: options.before })
        const answer = await (await context.broker(command)).get<{ deliveries: Record<string, Cell>[]; next: string | null }>(`/deliveries${query}`)
        context.print(command, answer, () => deliveryWords(answer.deliveries, answer.next))
      }),
    'cmb deliveries list --state failed',
    'cmb deliveries list --client sydney --state pending',
  )
  redriveCommand(deliveries, context)
  closeCommand(deliveries, context)
  examples(
    deliveries
      .command('try <delivery>')
      .description('Make the next attempt of a pending delivery now. Other deliveries keep their order and their times.')
      .addOption(asJson())
      .action(async (id: string, _given: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send<{ id: string }>('POST', '/deliveries/try', { id })
        context.print(command, answer, () => 'Its next attempt is due now. cmb deliveries list shows what comes of it.\n')
      }),
    'cmb deliveries try d_0mi8…',
  )
}

function deliveryWords(deliveries: Record<string, Cell>[], next: string | null): string {
  if (deliveries.length === 0) return 'There are none that fit.\n'
  const rows = deliveries.map((one) => [
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
  return `${columns(['DELIVERY', 'SEQ', 'CLIENT', 'STATE', 'ATTEMPTS', 'NEXT', 'STATUS', 'ERROR', 'ADDRESS'], rows)}${nextPage(next)}`
}

function redriveCommand(deliveries: Command, context: Context): void {
  examples(
    deliveries
      .command('redrive [delivery]')
      .description('Retry rejected and failed deliveries: one delivery, a client, a logout address, or all.')
      .option('--client <id>', 'all to this client')
      .option('--target <id>', 'all to one logout address, by its target id')
      .option('--all', 'all of them')
      .addOption(asJson())
      .action(async (delivery: string | undefined, options: { client?: string; target?: string; all?: boolean }, command: Command) => {
        const wanted = { id: delivery, client_id: options.client, target_id: options.target, all: options.all }
        if (Object.values(wanted).filter((one) => one !== undefined).length !== 1)
          throw new CommandFailure(EXIT.usage, 'Name what to redrive by exactly one of: a delivery, --client, --target, --all.')
        const answer = await (await context.broker(command)).send<{ redriven: number }>('POST', '/deliveries/redrive', wanted)
        context.print(command, answer, () =>
          answer.redriven === 0 ? 'There is no rejected or failed delivery there; nothing was done.\n' : `${answer.redriven} will be retried now.\n`,
        )
      }),
    'cmb deliveries redrive --client sydney',
    'cmb deliveries redrive --all',
  )
}

function closeCommand(deliveries: Command, context: Context): void {
  examples(
    deliveries
      .command('close [delivery]')
      .description(
        'Close pending, rejected or failed deliveries with a reason: the broker no longer sends them. One delivery, a client, or a logout address.',
      )
      .option('--client <id>', 'all to this client')
      .option('--target <id>', 'all to one logout address, by its target id')
      .requiredOption('--reason <text>', 'why, kept with each delivery and in the audit log')
      .addOption(caseOption())
      .addOption(asJson())
      .action(
        async (delivery: string | undefined, options: Record<'client' | 'target' | 'reason' | 'case', string | undefined>, command: Command) => {
          const which = { id: delivery, client_id: options.client, target_id: options.target }
          if (Object.values(which).filter((one) => one !== undefined).length !== 1)
            throw new CommandFailure(EXIT.usage, 'Name what to close by exactly one of: a delivery, --client, --target.')
          const wanted = { ...which, reason: options.reason, case_reference: options.case }
          const answer = await (await context.broker(command)).send<{ closed: number }>('POST', '/deliveries/close', wanted)
          context.print(command, answer, () =>
            answer.closed === 0 ? 'There is no pending, rejected or failed delivery there. Nothing was closed.\n' : `${answer.closed} closed.\n`,
          )
        },
      ),
    'cmb deliveries close --client perth --reason "the instance is gone" --case INC-4711',
    'cmb deliveries close --target t_9fK… --reason "the address was wrong"',
  )
}

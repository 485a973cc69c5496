import type { Command } from 'commander'
import { EXIT, type Json } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'
import { columns, lines, timeMs, type Cell } from './show.ts'

/** What is up, and who follows the feed. */
export function overviewCommands(program: Command, context: Context): void {
  examples(
    program
      .command('status')
      .description('Show what is up, what is down, and which deliveries are pending.')
      .addOption(asJson())
      .action(async (_options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).get<Status>('/status')
        context.print(command, answer, () => statusWords(answer))
        command.setOptionValue('exitCode', answer.status === 'unavailable' ? EXIT.failed : EXIT.done)
      }),
    'cmb status',
    'cmb status --json | jq .parts.queue',
  )
  program
    .command('guards')
    .description('List the guards: connection, how far each enforces the log, version, what it does without the broker, clock.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ guards: GuardShown[] }>('/guards')
      context.print(command, answer, () =>
        columns(
          ['CLIENT', 'GUARD', 'CONNECTED', 'ENFORCES', 'BEHIND', 'REPORTED', 'VERSION', 'WITHOUT THE BROKER', 'CLOCK'],
          answer.guards.map((one) => [
            one.client_id,
            one.guard_id,
            one.connected ? 'yes' : 'no',
            one.enforced_seq,
            one.behind,
            timeMs(one.reported_at_ms),
            `${one.version ?? 'not reported'}${one.outdated ? ' (outdated)' : ''}`,
            withoutBroker(one),
            one.clock_offset_seconds === null ? '' : `${one.clock_offset_seconds} s`,
          ]),
          'No guard has reported yet: an instance that uses one does so when it follows the feed (docs/relying-party.md).',
        ),
      )
    })
}

interface GuardShown extends Json {
  client_id: string
  guard_id: string
  connected: boolean
  enforced_seq: number | null
  behind: number | null
  reported_at_ms: number | null
  version: string | null
  outdated: boolean
  staleness: { after_seconds: number; policy: string } | null
  clock_offset_seconds: number | null
}

const POLICY: Record<string, string> = { refuse: 'refuses', introspect: 'introspects' }

function withoutBroker({ staleness }: GuardShown): string {
  if (staleness === null) return 'not reported'
  return `${POLICY[staleness.policy] ?? staleness.policy} after ${staleness.after_seconds} s`
}

interface Status extends Json {
  status: string
  issuer: string
  live_sessions: number
  log: { epoch: string; seq: number }
  brokers: { kind: string; work: string; host: string; version: string; started_at_ms: number; heartbeat_age_ms: number }[]
  parts: Record<string, { state: string; engine?: string; problem?: string }>
  pending: { client_id: string; uri: string; pending: number; oldest_at_ms: number }[]
  undelivered: { client_id: string; state: string; count: number }[]
  failed_microsoft_work: Record<string, Cell>[]
}

const REDRIVE = 'These are not retried. When the client is fixed: cmb deliveries redrive --client ID\n'
const AGAIN = 'When Graph answers again (docs/microsoft.md): cmb tenants redrive --all\n'

function statusWords(answer: Status): string {
  const parts = Object.entries(answer.parts).map(([name, part]) => [name, part.state, part.engine ?? '', part.problem ?? ''])
  const pending = answer.pending.map((one) => [one.client_id, one.pending, timeMs(one.oldest_at_ms), one.uri])
  const failedWork = answer.failed_microsoft_work.map((one) => [one.kind, one.tid, one.oid, timeMs(one.asked_at_ms), one.last_error])
  const brokers = answer.brokers.map((one) => [
    one.host,
    one.kind,
    one.version,
    timeMs(one.started_at_ms),
    `${(one.heartbeat_age_ms / 1000).toFixed(1)} s ago`,
    one.work.replaceAll(',', ', '),
  ])
  const undelivered = answer.undelivered.map((one) => [one.client_id, one.state, one.count])
  return [
    lines([
      ['issuer', answer.issuer],
      ['status', answer.status],
      ['live sessions', answer.live_sessions],
      ['log', `${answer.log.seq} (epoch ${answer.log.epoch})`],
    ]),
    columns(['PART', 'STATE', 'ENGINE', 'PROBLEM'], parts),
    ...(brokers.length === 0 ? [] : [columns(['PROCESS ON', 'KIND', 'VERSION', 'STARTED', 'HEARTBEAT', 'WORK'], brokers)]),
    pending.length === 0 ? 'No delivery is pending.\n' : columns(['PENDING FOR', 'HOW MANY', 'SINCE', 'ADDRESS'], pending),
    ...(undelivered.length === 0 ? [] : [columns(['CLIENT', 'STATE', 'HOW MANY'], undelivered), REDRIVE]),
    ...(failedWork.length === 0 ? [] : [columns(['FAILED AT MICROSOFT', 'TENANT', 'USER', 'SINCE', 'WHY'], failedWork), AGAIN]),
  ].join('\n')
}

import { withoutLeaseWords } from '../acts/guards.ts'
import { type AnswerTo, EXIT } from './broker.ts'
import { verb } from './context.ts'
import { lockedBy, nameOf, untilOf } from './locks.ts'
import { columns, lines, table, timeMs } from './show.ts'

export const statusCommand = verb({
  name: 'status',
  at: 'GET /status',
  about:
    'Show what is wrong, the worst first, what is up, and which deliveries are pending. Exit code 1: something needs you now.',
  ask: async (send, { self }) => {
    const answer = await send()
    const isNow = answer.problems.some(({ urgency }) => urgency === 'now')
    self.setOptionValue(
      'exitCode',
      isNow || answer.status === 'unavailable' ? EXIT.failed : EXIT.done,
    )
    return answer
  },
  words: statusWords,
  examples: ['cmb status', 'cmb status --json | jq .parts.queue'],
})

export const acknowledgeCommand = verb({
  name: 'acknowledge <problem>',
  at: 'POST /problems/:id/acknowledge',
  about:
    'Acknowledge a problem that does not need you now: it counts no more until its words change. cmb status shows the ids.',
  words: ({ found }) => `Acknowledged: ${found}\n`,
  examples: ['cmb acknowledge 3fA9cQ_1'],
})

export const guardsCommand = verb({
  name: 'guards',
  at: 'GET /guards',
  about:
    'List the guards: connection, how far each enforces the log, version, what it does without a lease, clock.',
  words: ({ guards }) =>
    table(
      guards,
      {
        CLIENT: 'client_id',
        GUARD: 'guard_id',
        CONNECTED: ({ connected }) => (connected ? 'yes' : 'no'),
        ENFORCES: 'enforced_seq',
        BEHIND: 'behind',
        REPORTED: 'reported_at_ms',
        VERSION: ({ version, outdated }) =>
          `${version ?? 'not reported'}${outdated ? ' (outdated)' : ''}`,
        'WITHOUT A LEASE': (one) => withoutLeaseWords(one.without_lease),
        CLOCK: ({ clock_offset_seconds: offset }) => (offset === null ? '' : `${offset} s`),
      },
      'No guard has reported yet: an instance that uses one does so when it follows the feed (docs/relying-party.md).',
    ),
})

const URGENCY = { now: 'Act now', today: 'Act today', note: 'Note' } as const
const REDRIVE =
  'These are not retried. When the client is fixed: cmb deliveries redrive --client ID\n'
const AGAIN = 'When Graph answers again (docs/microsoft.md): cmb tenants redrive --all\n'

type Status = AnswerTo<'GET /status'>

const problemWords = ({
  id,
  urgency,
  found,
  about,
  fix,
  since_ms: at,
  acknowledged_by: by,
}: Status['problems'][number]): string =>
  `${by === undefined ? URGENCY[urgency] : `Acknowledged by ${by}`} (${id}): ${found}${about.length === 0 ? '' : ` (${about.join(', ')})`}${at === undefined ? '' : ` Since ${timeMs(at)}.`}\n${fix === undefined ? '' : `  -> ${fix}\n`}`

const lockTable = ({ locks }: Status): string[] =>
  locks.length === 0
    ? []
    : [
        table(locks, {
          LOCKED: nameOf,
          BY: lockedBy,
          CASE: 'case_reference',
          UNTIL: untilOf,
        }),
      ]

function statusWords(answer: Status): string {
  const parts = Object.entries(answer.parts).map(([name, part]) => [
    name,
    part.state,
    part.engine ?? '',
    part.problem ?? '',
  ])
  const pending = answer.pending.map((one) => [
    one.client_id,
    one.pending,
    timeMs(one.oldest_at_ms),
    one.uri,
  ])
  const failedWork = answer.failed_microsoft_work.map((one) => [
    one.kind,
    one.tid,
    one.oid,
    timeMs(one.asked_at_ms),
    one.last_error,
  ])
  const brokers = answer.brokers.map((one) => [
    one.host,
    one.kind,
    one.version,
    timeMs(one.started_at_ms),
    one.missing
      ? `none since ${timeMs(one.seen_at_ms)}`
      : `${(one.heartbeat_age_ms / 1000).toFixed(1)} s ago`,
    one.work.replaceAll(',', ', '),
  ])
  const undelivered = answer.undelivered.map((one) => [one.client_id, one.state, one.count])
  return [
    `${answer.verdict}.\n${answer.problems.map(problemWords).join('')}`,
    lines([
      ['issuer', answer.issuer],
      ['status', answer.status],
      ['live sessions', answer.live_sessions],
      ['log', `${answer.log.seq} (epoch ${answer.log.epoch})`],
    ]),
    columns(['PART', 'STATE', 'ENGINE', 'PROBLEM'], parts),
    ...lockTable(answer),
    ...(brokers.length === 0
      ? []
      : [columns(['PROCESS ON', 'KIND', 'VERSION', 'STARTED', 'HEARTBEAT', 'WORK'], brokers)]),
    pending.length === 0
      ? 'No delivery is pending.\n'
      : columns(['PENDING FOR', 'HOW MANY', 'SINCE', 'ADDRESS'], pending),
    ...(undelivered.length === 0
      ? []
      : [columns(['CLIENT', 'STATE', 'HOW MANY'], undelivered), REDRIVE]),
    ...(failedWork.length === 0
      ? []
      : [columns(['FAILED AT MICROSOFT', 'TENANT', 'USER', 'SINCE', 'WHY'], failedWork), AGAIN]),
  ].join('\n')
}

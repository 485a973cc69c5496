import { type AnswerTo, EXIT } from './broker.ts'
import { verb } from './context.ts'
import { inWords, timeMs } from './show.ts'

export const statusCommand = verb({
  name: 'status',
  at: 'GET /status',
  ask: async (send, { self }) => {
    const answer = await send()
    const isNow = answer.problems.some(({ urgency }) => urgency === 'now')
    self.setOptionValue(
      'exitCode',
      isNow || answer.status === 'unavailable' ? EXIT.failed : EXIT.done,
    )
    return answer
  },
  more: 'Exit code 1: something needs you now.',
  words: statusWords,
  examples: ['cmb status', 'cmb status --json | jq .parts.queue'],
})

export const acknowledgeCommand = verb({
  name: 'acknowledge <problem>',
  at: 'POST /problems/:id/acknowledge',
  more: 'cmb status shows the ids.',
  words: ({ found }) => `Acknowledged: ${found}\n`,
  examples: ['cmb acknowledge 3fA9cQ_1'],
})

export const guardsCommand = verb({
  name: 'guards',
  at: 'GET /guards',
  columns: {
    guards: [
      'client_id',
      'guard_id',
      'connected',
      'enforced_seq',
      'behind',
      'reported_at_ms',
      'version',
      'outdated',
      'without_lease',
      'clock_offset_seconds',
    ],
  },
})

const URGENCY = { now: 'Act now', today: 'Act today', note: 'Note' } as const

const AGAIN = 'When Graph answers again (docs/microsoft.md): cmb tenants redrive --all\n'

function statusWords(answer: AnswerTo<'GET /status'>): string {
  const { verdict, problems, checks: _, parts: byName, ...rest } = answer
  const problemWords = problems.map(
    ({ id, urgency, found, about, fix, since_ms: at, acknowledged_by: by }) =>
      `${by === undefined ? URGENCY[urgency] : `Acknowledged by ${by}`} (${id}): ${found}${about.length === 0 ? '' : ` (${about.join(', ')})`}${at === undefined ? '' : ` Since ${timeMs(at)}.`}\n${fix === undefined ? '' : `  -> ${fix}\n`}`,
  )
  const parts = Object.entries(byName).map(([part, its]) => ({ part, ...its }))
  const facts = inWords(
    { ...rest, parts },
    {
      parts: ['part', 'state', 'engine', 'problem'],
      locks: ['target', 'actor', 'case_reference', 'ends_at'],
      brokers: ['host', 'kind', 'version', 'started_at_ms', 'seen_at_ms', 'missing', 'work'],
      pending: ['client_id', 'pending', 'oldest_at_ms', 'uri'],
      undelivered: ['client_id', 'state', 'count'],
      failed_microsoft_work: ['kind', 'tid', 'oid', 'asked_at_ms', 'last_error'],
    },
  )
  const hint = rest.failed_microsoft_work.length === 0 ? '' : AGAIN
  return `${verdict}.\n${problemWords.join('')}\n${facts}${hint}`
}

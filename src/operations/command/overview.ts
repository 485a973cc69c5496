import { systemClock } from '../../runtime/clock.ts'
import { type AnswerTo, EXIT } from './broker.ts'
import { CASE_AND_COMMENT, verb } from './context.ts'
import { inWords, URGENCY } from './show.ts'
import { day, since } from '../times.ts'

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
  words: statusWords,
})

export const hidingCommands = [
  verb({
    name: 'hide <problem>',
    at: 'POST /problems/:id/hide',
    takes: CASE_AND_COMMENT,
    words: ({ found, hidden_until: until = 0 }) =>
      `Hidden until ${day(until * 1000)}, or until it changes: ${found}\n`,
  }),
  verb({
    name: 'unhide <problem>',
    at: 'POST /problems/:id/unhide',
    takes: CASE_AND_COMMENT,
    words: ({ found }) => `It counts again: ${found}\n`,
  }),
]

export const guardsCommand = verb({
  name: 'guards',
  at: 'GET /guards',
  columns: {
    guards: [
      'client_id',
      'guard_id',
      'connected',
      'silent',
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

type Problem = AnswerTo<'GET /status'>['problems'][number]

const AGAIN = 'When Graph answers again (docs/microsoft.md): cmb tenants redrive --all\n'

const hiddenWords = ({ hidden_by: by, hidden_until: until = 0 }: Partial<Problem>) =>
  by === undefined ? undefined : `Hidden until ${day(until * 1000)} by ${by}`

function statusWords(answer: AnswerTo<'GET /status'>): string {
  const { verdict, problems, checks: _, parts: byName, ...rest } = answer
  const problemWords = problems.map(
    ({ id, urgency, found, about, fix, runbook, since_ms: at, ...hidden }) =>
      [
        `${hiddenWords(hidden) ?? URGENCY[urgency]} (${id}): ${found}`,
        about.length === 0 ? '' : ` (${about.join(', ')})`,
        at === undefined ? '' : ` ${since(at, systemClock.nowMs())}`,
        fix === undefined ? '' : `\n  -> ${fix}`,
        runbook === undefined ? '\n' : `\n  docs/runbook.md, “${runbook}”\n`,
      ].join(''),
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

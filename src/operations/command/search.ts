import type { AnswerTo } from './broker.ts'
import { verb } from './context.ts'
import { columns } from './show.ts'

export const searchCommand = verb({
  name: 'search <text...>',
  at: 'GET /search',
  about: 'Find a user, a client, a session, a revocation or a case.',
  members: ({ self }) => ({ text: undefined, q: self.args.join(' ') }),
  words: hitsInWords,
  examples: ['cmb search smith anna', 'cmb search INC-4711'],
})

function hitsInWords({
  users,
  more_users: more,
  clients,
  sessions,
  revocations,
  cases,
}: AnswerTo<'GET /search'>): string {
  const rows = [
    ...users.map((one) => ['user', one.sub, [one.name, one.username].filter(Boolean).join(' · ')]),
    ...clients.map((one) => ['client', one.client_id, one.client_name]),
    ...sessions.map((one) => ['session', one.sid, `${one.state}, ${one.device}, of ${one.sub}`]),
    ...revocations.map((one) => [
      'revocation',
      one.seq,
      [one.reason, one.case_reference].filter(Boolean).join(', '),
    ]),
    ...cases.map((one) => [
      'case',
      one.case_reference,
      `${one.revocations} revocations, ${one.locks} locks`,
    ]),
  ]
  return (
    columns(
      ['KIND', 'ID', 'WHAT'],
      rows,
      'Nothing matches. A name is found by the beginnings of its words.',
    ) + (more ? 'More users may match: add a word.\n' : '')
  )
}

import type { Command } from 'commander'
import type { z } from 'zod'
import type { hits } from '../contract/shapes.ts'
import { type Context, queryOf, verb } from './context.ts'
import { columns } from './show.ts'

type Hits = z.output<typeof hits>

/** Defines `cmb search`. */
export function searchCommand(program: Command, context: Context): void {
  verb(program, context, {
    name: 'search <text...>',
    about: 'Find a user, a client, a session, a revocation or a case.',
    ask: (broker, { self }) => broker.get<Hits>(`/search${queryOf({ q: self.args.join(' ') })}`),
    words: hitsInWords,
    examples: ['cmb search smith anna', 'cmb search INC-4711'],
  })
}

function hitsInWords({
  users,
  more_users: more,
  clients,
  sessions,
  revocations,
  cases,
}: Hits): string {
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

import type { Command } from 'commander'
import { asJson, examples, queryOf, type Context } from './context.ts'
import { columns } from './show.ts'

interface Hits {
  users: { sub: string; name: string | null; username: string | null }[]
  more_users: boolean
  clients: { client_id: string; client_name: string }[]
  sessions: { sid: string; sub: string; state: string; device: string }[]
  revocations: { seq: number; reason: string; case_reference: string | null }[]
  cases: { case_reference: string; revocations: number; locks: number }[]
}

/** One search for whatever an operator has in hand. */
export function searchCommand(program: Command, context: Context): void {
  examples(
    program
      .command('search <text...>')
      .description('Find a user, a client, a session, a revocation or a case.')
      .addOption(asJson())
      .action(async (text: string[], _: unknown, command: Command) => {
        const hits = await (await context.broker(command)).get<Hits>(`/search${queryOf({ q: text.join(' ') })}`)
        context.print(command, hits, () => hitsInWords(hits))
      }),
    'cmb search smith anna',
    'cmb search INC-4711',
  )
}

function hitsInWords({ users, more_users: more, clients, sessions, revocations, cases }: Hits): string {
  const rows = [
    ...users.map((one) => ['user', one.sub, [one.name, one.username].filter(Boolean).join(' · ')]),
    ...clients.map((one) => ['client', one.client_id, one.client_name]),
    ...sessions.map((one) => ['session', one.sid, `${one.state}, ${one.device}, of ${one.sub}`]),
    ...revocations.map((one) => ['revocation', one.seq, [one.reason, one.case_reference].filter(Boolean).join(', ')]),
    ...cases.map((one) => ['case', one.case_reference, `${one.revocations} revocations, ${one.locks} locks`]),
  ]
  return (
    columns(['KIND', 'ID', 'WHAT'], rows, 'Nothing matches. A name is found by the beginnings of its words.') +
    (more ? 'More users may match: add a word.\n' : '')
  )
}

import type { Command } from 'commander'
import { asJson, before, examples, nextPage, queryOf, type Context } from './context.ts'
import { columns, time } from './show.ts'

/** What waits: for its time, or for a second administrator. */
export function scheduledCommands(program: Command, context: Context): void {
  const scheduled = program
    .command('scheduled')
    .description('List, confirm and cancel revocations and locks that wait for their time or for a second administrator.')
  examples(
    scheduled
      .command('list')
      .description('List proposed and scheduled acts, newest first.')
      .option('--state <state>', 'proposed, scheduled, done, failed, cancelled, expired or held')
      .option('--limit <n>', 'how many at most', '50')
      .addOption(before())
      .addOption(asJson())
      .action(async (given: { state?: string; limit: string; before?: string }, self: Command) => {
        const query = { state: given.state, limit: given.limit, before: given.before }
        const answer = await (await context.broker(self)).get<{ acts: ActShown[]; next: string | null }>(`/scheduled-acts${queryOf(query)}`)
        const head = ['ID', 'WHAT', 'DUE', 'STATE', 'BY', 'CONFIRMED BY', 'RESULT', 'CASE']
        context.print(self, answer, () => columns(head, answer.acts.map(row), 'There are none that fit.') + nextPage(answer.next))
      }),
    'cmb scheduled list --state proposed',
  )
  for (const [verb, words] of [
    ['confirm', 'Confirm an act that another administrator proposed. If its time has come, the broker does it at once.'],
    ['cancel', 'Cancel a proposed or scheduled act.'],
  ] as const)
    examples(decideCommand(scheduled, context, { name: verb, verb, words }), `cmb scheduled ${verb} a_0mi8…`)
}

interface Deciding {
  name: string
  verb: 'confirm' | 'cancel'
  words: string
}

/** Of `cmb scheduled` and `cmb revocations`. */
export const decideCommand = (parent: Command, context: Context, { name, verb, words }: Deciding): Command =>
  parent
    .command(`${name} <id>`)
    .description(words)
    .addOption(asJson())
    .action(async (id: string, _given: unknown, self: Command) => {
      const act = await (await context.broker(self)).send<ActShown>('POST', `/scheduled-acts/${encodeURIComponent(id)}/${verb}`)
      context.print(self, act, () => actWords(act))
    })

export interface ActShown {
  id: string
  what: { act: 'revoke'; selector: Record<string, string> } | { act: 'lock'; target: Record<string, string>; ends_at: number | null }
  due_at: number | null
  confirm_until?: number | null
  state: 'proposed' | 'scheduled' | 'done' | 'failed' | 'cancelled' | 'expired' | 'held'
  actor: { id: string }
  case_reference: string | null
  confirmed: { at: number; actor: { id: string } } | null
  settled: { at: number; result: Record<string, unknown> } | null
}

const whatOf = ({ what }: ActShown): string => [what.act, ...Object.values(what.act === 'lock' ? what.target : what.selector)].join(' ')
const resultOf = ({ settled }: ActShown): string =>
  settled === null
    ? ''
    : Object.entries(settled.result)
        .map(([name, value]) => `${name} ${String(value)}`)
        .join(', ')
const row = (act: ActShown) => [
  act.id,
  whatOf(act),
  time(act.due_at),
  act.state,
  act.actor.id,
  act.confirmed?.actor.id,
  resultOf(act),
  act.case_reference,
]

/** What has become of it, and what comes next. */
export function actWords(act: ActShown): string {
  const { id, state } = act
  const until = typeof act.confirm_until === 'number' ? ` It expires at ${time(act.confirm_until)}.` : ''
  const when = act.due_at === null ? 'at once' : `at ${time(act.due_at)}`
  const said = {
    proposed: `Proposed: ${whatOf(act)}.${until} When another administrator confirms it, it is done ${when}: cmb scheduled confirm ${id}`,
    scheduled: `Scheduled: ${whatOf(act)} is done ${when}. To stop it: cmb scheduled cancel ${id}`,
    done: `Done: ${whatOf(act)} (${resultOf(act)}).`,
    failed: `Not done: ${whatOf(act)} (${resultOf(act)}).`,
    cancelled: `Canceled: ${whatOf(act)}.`,
    expired: `Expired: ${whatOf(act)}. No second administrator confirmed it in time, and nothing was done.`,
    held: `Held since the restore: ${whatOf(act)}. Schedule it again if it is still needed.`,
  }
  return `${said[state]}\n`
}

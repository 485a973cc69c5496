import type { WireSelector } from '../../protocol/selector.ts'
import { claimWords, receiptWords } from '../acts/receipt-words.ts'
import { totalsInWords } from '../acts/totals.ts'
import { type AnswerTo, CommandFailure, EXIT } from './broker.ts'
import {
  BEFORE,
  type Called,
  CASE_AND_COMMENT,
  fullPage,
  group,
  option,
  paged,
  period,
  verb,
} from './context.ts'
import { subOf, USER_NAME } from './locks.ts'
import { readPast } from './moment.ts'
import { agreed, type Agreeing } from './preview.ts'
import { columns, lines, nextPage, table, time, timeMs, withName } from './show.ts'

interface RevokeOptions extends Agreeing {
  user?: string
  session?: string
  grant?: string
  subject?: string
  client?: string
  tenant?: string
  everything?: boolean
}

/** The command `cmb revoke`. */
export const revokeCommand = verb({
  name: 'revoke',
  at: 'POST /revocations',
  about:
    'Revoke sessions and tokens: effective at once, with a logout token for every instance that took part.',
  takes: CASE_AND_COMMENT,
  flags: [
    option('--session <sid>', 'one session'),
    option('--grant <sid>', "one client's part of a session: with --client"),
    USER_NAME,
    option('--subject <sub>', 'everything of one user'),
    option('--client <id>', 'everything at one client'),
    option('--tenant <tid>', 'every user of one Microsoft tenant'),
    option('--everything', 'every user, everywhere'),
    option('--dry-run', 'show how many users it would sign out, and change nothing'),
    option('--yes', 'do not ask (wide revocations ask)'),
  ],
  members: async (called: Called<RevokeOptions>) => ({ selector: await selectorOf(called) }),
  ask: (send, called) => {
    const { client, grant, tenant, everything } = called.options
    const isWide =
      (client !== undefined && grant === undefined) || tenant !== undefined || everything
    return agreed(isWide === true ? 'always' : 'never')(send, called)
  },
  words: (answer) => {
    if (answer.outcome === 'already') return 'That had already ended; nothing was revoked.\n'
    const { seq, tenants_without_auth_time: tenants } = answer
    const notAsked = tenants.map(
      (tid) =>
        `Users of ${tid} are not asked for their password again: its ID tokens have never had auth_time.\n`,
    )
    return `Revoked, number ${seq} in the log. cmb revocations show ${seq} shows its deliveries.\n${notAsked.join('')}`
  },
  examples: [
    'cmb revoke --session s_3qW… --case INC-4711',
    'cmb revoke --user "alice adams" --case INC-4711',
    'cmb revoke --subject u_9fK… --comment "laptop stolen"',
    'cmb revoke --grant s_3qW… --client sydney',
    'cmb revoke --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --dry-run',
    'cmb revoke --everything --yes',
  ],
})

/**
 * Returns the selector of exactly one option. `--client` beside `--grant` names the grant's client.
 */
async function selectorOf(called: Called<RevokeOptions>): Promise<WireSelector> {
  const { user, session, grant, subject, client, tenant, everything } = called.options
  const given = [
    user,
    session,
    grant,
    subject,
    grant === undefined ? client : undefined,
    tenant,
    everything === true ? 'yes' : undefined,
  ].filter((one) => one !== undefined)
  if (given.length !== 1)
    throw new CommandFailure(
      EXIT.usage,
      'Name what to revoke by exactly one of: --user, --session, --grant with --client, --subject, --client, --tenant, --everything.',
    )
  if (user !== undefined) return { kind: 'subject', sub: await subOf(called, user) }
  if (grant !== undefined) {
    if (client === undefined)
      throw new CommandFailure(
        EXIT.usage,
        '--grant needs --client: whose part of the session is to end?',
      )
    return { kind: 'grant', sid: grant, client_id: client }
  }
  if (session !== undefined) return { kind: 'session', sid: session }
  if (subject !== undefined) return { kind: 'subject', sub: subject }
  if (client !== undefined) return { kind: 'client', client_id: client }
  if (tenant !== undefined) return { kind: 'tenant', tid: tenant }
  return { kind: 'everything' }
}

const [since, until] = period(readPast)

/** The commands `cmb revocations`: the log of all revocations, with their deliveries. */
export const revocationCommands = group(
  'revocations',
  'Show the log of revocations, with the deliveries of each and their proof.',
  verb({
    name: 'list',
    at: 'GET /revocations',
    about: 'List revocations, newest first.',
    takes: {
      since,
      until,
      sub: option(
        '--subject <sub>',
        'only of this user, also what ended one of their sessions or grants',
      ),
      client_id: option('--client <id>', 'only of this client, also of its grant in one session'),
      case_reference: option('--case <reference>', 'only with this case reference'),
      reason: option('--reason <reason>', 'only for this reason: administrator, locked …'),
      actor: option('--actor <who>', 'only revocations of this actor: an id, or words of a name'),
      ...paged('50'),
    },
    ask: fullPage('revocations'),
    words: ({ revocations, next }) =>
      table(
        revocations,
        {
          SEQ: 'seq',
          AT: 'at',
          WHAT: (one) => withName(one.target_name, what(one.selector)),
          REASON: 'reason',
          BY: by,
          SESSIONS: 'sessions',
          DELIVERED: ({ totals, fan_out: fanOut }) =>
            `${totals.delivered} of ${totals.total}${fanOut === 'pending' ? ' so far' : ''}`,
          CASE: 'case_reference',
        },
        'No revocation matches.',
        next,
      ),
    examples: ['cmb revocations list --limit 10', 'cmb revocations list --case INC-4711'],
  }),
  verb({
    name: 'show <seq>',
    at: 'GET /revocations/:seq',
    about:
      'Show one revocation: its signed receipt, and each delivery with its attempts (but not the probes of an address that has stopped answering).',
    takes: { before: BEFORE },
    words: proofWords,
  }),
)

type Proof = AnswerTo<'GET /revocations/:seq'>

const by = ({ actor, actor_name: name }: Pick<Proof, 'actor' | 'actor_name'>): string =>
  `${actor.kind} ${withName(name, actor.id)}`
const what = ({ kind, ...rest }: WireSelector): string => [kind, ...Object.values(rest)].join(' ')
function proofWords(answer: Proof): string {
  const { receipt } = answer
  const claims = receipt?.participants.map((one) => [
    one.client_id,
    ...claimWords(receipt, one, timeMs),
  ])
  const attempts = answer.deliveries.flatMap((one) =>
    one.attempts === undefined || one.attempts.length === 0
      ? [[one.client_id, one.state, '-', '-', '-', '-', one.uri]]
      : one.attempts.map((each) => [
          one.client_id,
          one.state,
          each.attempt,
          timeMs(each.at_ms),
          each.status ?? each.error ?? each.outcome,
          `${each.latency_ms} ms`,
          one.uri,
        ]),
  )
  return [
    lines([
      ['seq', answer.seq],
      ['at', time(answer.at)],
      ['what', withName(answer.target_name, what(answer.selector))],
      ['reason', answer.reason],
      ['by', by(answer)],
      ['sessions', answer.sessions ?? 'not counted yet'],
      ['deliveries', totalsInWords(answer.totals, answer.fan_out)],
      ['case', answer.case_reference],
      ['comment', answer.comment],
      ['receipt', receipt === null ? 'no longer kept' : receiptWords(receipt)],
    ]),
    columns(['CLIENT', 'RECEIPT', 'NOTHING AFTER', 'GUARDS'], claims ?? [], 'No client took part.'),
    attempts.length === 0
      ? 'It has no deliveries.\n'
      : columns(['CLIENT', 'STATE', 'ATTEMPT', 'AT', 'ANSWER', 'TOOK', 'ADDRESS'], attempts),
    nextPage(answer.next ?? null),
  ].join('\n')
}

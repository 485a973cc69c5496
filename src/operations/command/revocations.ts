import type { Command } from 'commander'
import type { WireSelector } from '../../protocol/selector.ts'
import type { z } from 'zod'
import { GUARD_WORDS } from '../acts/guards.ts'
import { totalsInWords } from '../acts/totals.ts'
import type { proof, revocation } from '../contract/shapes.ts'
import { CommandFailure, EXIT } from './broker.ts'
import {
  before,
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  fullPage,
  nextPage,
  paged,
  path,
  queryOf,
  verb,
  withCaseAndComment,
  withPeriod,
} from './context.ts'
import { type Agreeing, sendAgreed } from './preview.ts'
import { columns, lines, time, timeMs } from './show.ts'

type Shown = z.output<typeof revocation>

interface RevokeOptions extends CaseAndComment, Agreeing {
  session?: string
  grant?: string
  subject?: string
  client?: string
  tenant?: string
  everything?: boolean
}

type ListOptions = Partial<
  Record<'subject' | 'client' | 'case' | 'reason' | 'actor' | 'before', string>
> & {
  from?: number
  to?: number
  limit: string
}

const filterOf = (options: ListOptions): Record<string, string | undefined> => ({
  sub: options.subject,
  client_id: options.client,
  case_reference: options.case,
  reason: options.reason,
  actor: options.actor,
  since: options.from?.toString(),
  until: options.to?.toString(),
})

/** Defines `cmb revoke` and `cmb revocations`. */
export function revocationCommands(program: Command, context: Context): void {
  revokeCommand(program, context)
  const log = program
    .command('revocations')
    .description('Show the log of revocations, with the deliveries of each and their proof.')
  listCommand(log, context)
  showCommand(log, context)
}

function listCommand(log: Command, context: Context): void {
  verb(log, context, {
    name: 'list',
    about: 'List revocations, newest first.',
    options: (command) =>
      paged('50')(
        withPeriod(
          command
            .option(
              '--subject <sub>',
              'only of this user, also what ended one of their sessions or grants',
            )
            .option('--client <id>', 'only of this client, also of its grant in one session')
            .option('--case <reference>', 'only with this case reference')
            .option('--reason <reason>', 'only for this reason: administrator, locked …')
            .option('--actor <id>', 'only revocations of this actor'),
        ),
      ),
    ask: (broker, { options }: Called<ListOptions>) =>
      fullPage(context.terminal, 'revocations', options, (more) =>
        broker.get<{ revocations: Shown[]; next: number | null }>(
          `/revocations${queryOf({ ...filterOf(options), ...more })}`,
        ),
      ),
    words: (answer) =>
      columns(HEAD, answer.revocations.map(row), 'No revocation matches.') +
      nextPage(answer.next ?? null),
    examples: ['cmb revocations list --limit 10', 'cmb revocations list --case INC-4711'],
  })
}

const HEAD = ['SEQ', 'AT', 'WHAT', 'REASON', 'BY', 'SESSIONS', 'DELIVERED', 'CASE']

function showCommand(log: Command, context: Context): void {
  verb(log, context, {
    name: 'show <seq>',
    about:
      'Show one revocation: each delivery with its attempts (but not the probes of an address that has stopped answering), and which guards enforce it.',
    options: (command) => command.addOption(before()),
    ask: (broker, { id, options }: Called<{ before?: string }>) =>
      broker.get<Proof>(path`/revocations/${id}` + queryOf({ before: options.before })),
    words: proofWords,
  })
}

function revokeCommand(program: Command, context: Context): void {
  verb(program, context, {
    name: 'revoke',
    about:
      'Revoke sessions and tokens: effective at once, with a logout token for every instance that took part.',
    options: (command) =>
      withCaseAndComment(
        command
          .option('--session <sid>', 'one session')
          .option('--grant <sid>', "one client's part of a session: with --client")
          .option('--subject <sub>', 'everything of one user')
          .option('--client <id>', 'everything at one client')
          .option('--tenant <tid>', 'every user of one Microsoft tenant')
          .option('--everything', 'every user, everywhere'),
      )
        .option('--dry-run', 'show how many users it would sign out, and change nothing')
        .option('--yes', 'do not ask (wide revocations ask)'),
    ask: (broker, called: Called<RevokeOptions>) => {
      const selector = selectorOf(called.options)
      const body = { selector, ...caseAndComment(called.options) }
      return sendAgreed<Revoked>(
        broker,
        called,
        { method: 'POST', path: '/revocations', body },
        WIDE.includes(selector.kind) ? 'always' : 'never',
      )
    },
    words: revokedWords,
    examples: [
      'cmb revoke --session s_3qW… --case INC-4711',
      'cmb revoke --subject u_9fK… --comment "laptop stolen"',
      'cmb revoke --grant s_3qW… --client sydney',
      'cmb revoke --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --dry-run',
      'cmb revoke --everything --yes',
    ],
  })
}

const WIDE: readonly WireSelector['kind'][] = ['client', 'tenant', 'everything']

type Revoked = { outcome: string; seq?: number; tenants_without_auth_time?: string[] }

function revokedWords({ outcome, seq, tenants_without_auth_time: tenants = [] }: Revoked): string {
  if (outcome === 'already') return 'That had already ended; nothing was revoked.\n'
  const notAsked = tenants.map(
    (tid) =>
      `Users of ${tid} are not asked for their password again: its ID tokens have never had auth_time.\n`,
  )
  return `Revoked, number ${seq} in the log. cmb revocations show ${seq} shows its deliveries.\n${notAsked.join('')}`
}

/**
 * Returns the selector of exactly one option. `--client` beside `--grant` names the grant's client.
 */
function selectorOf(options: RevokeOptions): WireSelector {
  const { session, grant, subject, client, tenant, everything } = options
  const given = [
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
      'Name what to revoke by exactly one of: --session, --grant with --client, --subject, --client, --tenant, --everything.',
    )
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

type Proof = z.output<typeof proof>

const what = ({ kind, ...rest }: WireSelector): string => [kind, ...Object.values(rest)].join(' ')
const row = (one: Shown) => [
  one.seq,
  time(one.at),
  what(one.selector),
  one.reason,
  `${one.actor.kind} ${one.actor.id}`,
  one.sessions,
  `${one.totals.delivered} of ${one.totals.total}${one.fan_out === 'pending' ? ' so far' : ''}`,
  one.case_reference,
]

function proofWords(answer: Proof): string {
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
  const guards = answer.guards.map((one) => [
    one.client_id,
    one.guard_id,
    GUARD_WORDS[one.state],
    timeMs(one.no_later_than_ms),
  ])
  return [
    lines([
      ['seq', answer.seq],
      ['at', time(answer.at)],
      ['what', what(answer.selector)],
      ['reason', answer.reason],
      ['by', `${answer.actor.kind} ${answer.actor.id}`],
      ['sessions', answer.sessions ?? 'not counted yet'],
      ['deliveries', totalsInWords(answer.totals, answer.fan_out)],
      ['case', answer.case_reference],
      ['comment', answer.comment],
    ]),
    attempts.length === 0
      ? 'It has no deliveries.\n'
      : columns(['CLIENT', 'STATE', 'ATTEMPT', 'AT', 'ANSWER', 'TOOK', 'ADDRESS'], attempts),
    ...(guards.length === 0
      ? []
      : [columns(['CLIENT', 'GUARD', 'STATE', 'NO LATER THAN'], guards)]),
    nextPage(answer.next ?? null),
  ].join('\n')
}

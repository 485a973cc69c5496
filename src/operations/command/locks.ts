import type { Command } from 'commander'
import type { z } from 'zod'
import type { lock } from '../contract/shapes.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import {
  type Called,
  type CaseAndComment,
  caseAndComment,
  type Context,
  nextPage,
  paged,
  path,
  queryOf,
  verb,
  withCaseAndComment,
} from './context.ts'
import { readMoment } from './moment.ts'
import { type Agreeing, sendAgreed } from './preview.ts'
import { columns, time } from './show.ts'

type Shown = z.output<typeof lock>
interface Answer {
  outcome: 'locked' | 'already' | 'lifted'
  lock: Shown
}

/**
 * Defines `cmb lock`, `cmb unlock` and `cmb locks`. A lock rejects sign-ins, codes and tokens of a
 * user, a tenant or a client until it is lifted.
 */
export function lockCommands(program: Command, context: Context): void {
  const group = program
    .command('lock')
    .description(
      'Revoke all sessions of a user, a tenant or a client, and reject their sign-ins and tokens until the lock is lifted.',
    )
  lockUser(group, context)
  for (const [kind, name, member] of [
    ['tenant', 'tid', 'tid'],
    ['client', 'id', 'client_id'],
  ] as const)
    verb(group, context, {
      name: `${kind} <${name}>`,
      about: `Lock a ${kind}.`,
      options: (command) => withOptions(command).option('--yes', 'do not ask'),
      ask: (broker, called: Called<LockOptions>) =>
        sendAgreed<Answer>(
          broker,
          called,
          requestOf({ kind, [member]: called.id }, called.options),
          'always',
        ),
      words: lockedWords,
      examples: [
        `cmb lock ${kind} ${kind === 'tenant' ? '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11' : 'sydney'} --case INC-4711`,
      ],
    })
  unlockCommand(program, context)
  listCommand(program, context)
}

interface LockOptions extends CaseAndComment, Agreeing {
  until?: number
  replaces?: string
}
interface UserOptions extends LockOptions {
  subject?: string
  tid?: string
  oid?: string
}

const withOptions = (command: Command): Command =>
  withCaseAndComment(
    command
      .option(
        '--until <time>',
        'the broker lifts it then: 2026-12-04T17:00+01:00, or +8h',
        (value) => readMoment(value),
      )
      .option('--replaces <lock>', 'replace this open lock'),
  ).option('--dry-run', 'show whom it would sign out, and change nothing')

const requestOf = (target: Json, { until, replaces, ...said }: LockOptions) =>
  ({
    method: 'POST',
    path: '/locks',
    body: { target, ends_at: until, replaces, ...caseAndComment(said) },
  }) as const

/** Adds the options that name one user. */
export const withUser = (command: Command): Command =>
  command
    .option('--subject <sub>', 'by the sub of their tokens')
    .option('--tid <tid>', 'by their Microsoft tenant, with --oid')
    .option('--oid <oid>', 'their object id there')
export function userIn({ subject, tid, oid }: UserOptions): Json {
  if (subject !== undefined && tid === undefined && oid === undefined) return { sub: subject }
  if (subject === undefined && tid !== undefined && oid !== undefined) return { tid, oid }
  throw new CommandFailure(EXIT.usage, 'Name the user: --subject, or --tid with --oid.')
}

function lockUser(group: Command, context: Context): void {
  verb(group, context, {
    name: 'user',
    about: 'Lock a user, also before they have signed in.',
    options: (command) => withOptions(withUser(command)),
    ask: (broker, called: Called<UserOptions>) => {
      const target = { kind: 'user', ...userIn(called.options) }
      return sendAgreed<Answer>(broker, called, requestOf(target, called.options), 'never')
    },
    words: lockedWords,
    examples: [
      'cmb lock user --subject u_9fK… --case INC-4711 --until +24h',
      'cmb lock user --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f… --until 2026-12-04T17:00+01:00',
    ],
  })
}

const nameOf = ({ target }: Shown): string => Object.values(target).join(' ')

function lockedWords({ outcome, lock: one }: Answer): string {
  if (outcome === 'already')
    return `${nameOf(one)} is locked already, by lock ${one.id}. Nothing was changed.\n`
  const until = one.ends_at === null ? '' : `, until ${time(one.ends_at)}`
  return `Locked: ${nameOf(one)}, by lock ${one.id}${until}. To lift it: cmb unlock ${one.id}\n`
}

function unlockCommand(program: Command, context: Context): void {
  verb(program, context, {
    name: 'unlock <lock>',
    about: 'Lift a lock: its target may sign in again. cmb locks list shows the ids.',
    options: withCaseAndComment,
    ask: (broker, { id, options }: Called<CaseAndComment>) =>
      broker.send<Answer>('POST', path`/locks/${id}/lift`, caseAndComment(options)),
    words: ({ outcome, lock: one }) =>
      outcome === 'lifted'
        ? `Lifted: ${nameOf(one)} may sign in again.\n`
        : `${one.lifted?.actor.id ?? 'Another operator'} already lifted it, at ${time(one.lifted?.at)}.\n`,
    examples: ['cmb unlock l_0mi8… --case INC-4711'],
  })
}

const HEAD = ['LOCK', 'WHAT', 'AT', 'BY', 'UNTIL', 'LIFTED', 'CASE']

function listCommand(program: Command, context: Context): void {
  verb(program.command('locks').description('List locks of users, tenants and clients.'), context, {
    name: 'list',
    about: 'List open locks, newest first.',
    options: (command) =>
      paged('50')(
        command
          .option('--all', 'also lifted ones')
          .option('--kind <kind>', 'user, tenant or client')
          .option('--case <reference>', 'of one case'),
      ),
    ask: (
      broker,
      {
        options,
      }: Called<{ all?: boolean } & Partial<Record<'kind' | 'case' | 'limit' | 'before', string>>>,
    ) => {
      const { all, kind, case: reference, limit, before } = options
      return broker.get<{ locks: Shown[]; next: string | null }>(
        `/locks${queryOf({ state: all === true ? 'all' : 'open', kind, case_reference: reference, limit, before })}`,
      )
    },
    words: (answer) =>
      columns(HEAD, answer.locks.map(row), 'Nothing is locked.') + nextPage(answer.next),
    examples: ['cmb locks list', 'cmb locks list --all --kind client'],
  })
}

const row = (one: Shown) => [
  one.id,
  nameOf(one),
  time(one.at),
  one.actor.id,
  time(one.ends_at),
  one.lifted === null ? '' : `${time(one.lifted.at)} by ${one.lifted.actor.id}`,
  one.case_reference,
]

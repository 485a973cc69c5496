import type { Command } from 'commander'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { asJson, before, caseOption, commentOption, type Context, examples, nextPage, queryOf, type Said, saidOf } from './context.ts'
import { readMoment } from './moment.ts'
import { sendAgreed } from './preview.ts'
import { columns, time } from './show.ts'

/** Locks: no new sign-in, code or token of a user, a tenant or a client, until the lock is lifted. */
export function lockCommands(program: Command, context: Context): void {
  const lock = program
    .command('lock')
    .description('Revoke all sessions of a user, a tenant or a client, and reject their sign-ins and tokens until the lock is lifted.')
  lockUser(lock, context)
  for (const [kind, name, member] of [
    ['tenant', 'tid', 'tid'],
    ['client', 'id', 'client_id'],
  ] as const)
    examples(
      options(lock.command(`${kind} <${name}>`).description(`Lock a ${kind}.`).option('--yes', 'do not ask')).action(
        (id: string, given: LockOptions, self: Command) => lockAs(context, self, { kind, [member]: id }, given),
      ),
      `cmb lock ${kind} ${kind === 'tenant' ? '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11' : 'sydney'} --case INC-4711`,
    )
  unlockCommand(program, context)
  listCommand(program, context)
}

interface LockOptions {
  until?: number
  case?: string
  comment?: string
  replaces?: string
  dryRun?: boolean
  yes?: boolean
}
interface UserOptions extends LockOptions {
  subject?: string
  tid?: string
  oid?: string
}

const options = (command: Command): Command =>
  command
    .option('--until <time>', 'the broker lifts it then: 2026-12-04T17:00+01:00, or +8h', (value) => readMoment(value))
    .option('--replaces <lock>', 'replace this open lock')
    .addOption(caseOption())
    .addOption(commentOption())
    .option('--dry-run', 'show whom it would sign out, and change nothing')
    .addOption(asJson())

function lockUser(lock: Command, context: Context): void {
  examples(
    options(
      lock
        .command('user')
        .description('Lock a user, also before they have signed in.')
        .option('--subject <sub>', 'by the sub of their tokens')
        .option('--tid <tid>', 'by their Microsoft tenant, with --oid')
        .option('--oid <oid>', 'their object id there'),
    ).action((given: UserOptions, self: Command) => lockAs(context, self, userOf(given), given)),
    'cmb lock user --subject u_9fK… --case INC-4711 --until +24h',
    'cmb lock user --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f… --until 2026-12-04T17:00+01:00',
  )
}

function userOf({ subject, tid, oid }: UserOptions): Json {
  if (subject !== undefined && tid === undefined && oid === undefined) return { kind: 'user', sub: subject }
  if (subject === undefined && tid !== undefined && oid !== undefined) return { kind: 'user', tid, oid }
  throw new CommandFailure(EXIT.usage, 'Name the user: --subject, or --tid with --oid.')
}

interface LockShown {
  id: string
  target: Record<string, string>
  actor: { kind: string; id: string }
  at: number
  ends_at: number | null
  case_reference: string | null
  seq: number | null
  lifted: { at: number; actor: { id: string } } | null
}
interface Answer {
  outcome: 'locked' | 'already'
  lock: LockShown
}

const nameOf = ({ target }: Pick<LockShown, 'target'>): string => Object.values(target).join(' ')

async function lockAs(context: Context, self: Command, target: Json, { until, dryRun, yes, replaces, ...said }: LockOptions): Promise<void> {
  const request = { method: 'POST', path: '/locks', body: { target, ends_at: until, replaces, ...saidOf(said) } } as const
  const answer = await sendAgreed<Answer>(context, self, request, { ask: target['kind'] === 'user' ? 'never' : 'always', dryRun, yes })
  if (answer === undefined) return
  context.print(self, answer, () => {
    if (answer.outcome === 'already') return `${nameOf(answer.lock)} is locked already, by lock ${answer.lock.id}. Nothing was changed.\n`
    return `Locked: ${nameOf(answer.lock)}, by lock ${answer.lock.id}${answer.lock.ends_at === null ? '' : `, until ${time(answer.lock.ends_at)}`}. To lift it: cmb unlock ${answer.lock.id}\n`
  })
}

function unlockCommand(program: Command, context: Context): void {
  examples(
    program
      .command('unlock <lock>')
      .description('Lift a lock: its target may sign in again. cmb locks list shows the ids.')
      .addOption(caseOption())
      .addOption(commentOption())
      .addOption(asJson())
      .action(async (id: string, said: Said, self: Command) => {
        const broker = await context.broker(self)
        const body = saidOf(said)
        const answer = await broker.send<{ outcome: string; lock: LockShown }>('POST', `/locks/${encodeURIComponent(id)}/lift`, body)
        context.print(self, answer, () =>
          answer.outcome === 'lifted'
            ? `Lifted: ${nameOf(answer.lock)} may sign in again.\n`
            : `${answer.lock.lifted?.actor.id ?? 'Another operator'} already lifted it, at ${time(answer.lock.lifted?.at)}.\n`,
        )
      }),
    'cmb unlock l_0mi8… --case INC-4711',
  )
}

function listCommand(program: Command, context: Context): void {
  examples(
    program
      .command('locks')
      .description('List locks of users, tenants and clients.')
      .command('list')
      .description('List open locks, newest first.')
      .option('--all', 'also lifted ones')
      .option('--kind <kind>', 'user, tenant or client')
      .option('--case <reference>', 'of one case')
      .option('--limit <n>', 'how many at most', '50')
      .addOption(before())
      .addOption(asJson())
      .action(async (given: { all?: boolean; kind?: string; case?: string; limit: string; before?: string }, self: Command) => {
        const query = {
          state: given.all === true ? 'all' : 'open',
          kind: given.kind,
          case_reference: given.case,
          limit: given.limit,
          before: given.before,
        }
        const answer = await (await context.broker(self)).get<{ locks: LockShown[]; next: string | null }>(`/locks${queryOf(query)}`)
        const head = ['LOCK', 'WHAT', 'AT', 'BY', 'UNTIL', 'LIFTED', 'CASE']
        const words = () => columns(head, answer.locks.map(row), 'Nothing is locked.') + nextPage(answer.next)
        context.print(self, answer, words)
      }),
    'cmb locks list',
    'cmb locks list --all --kind client',
  )
}

const row = (lock: LockShown) => [
  lock.id,
  nameOf(lock),
  time(lock.at),
  lock.actor.id,
  time(lock.ends_at),
  lock.lifted === null ? '' : `${time(lock.lifted.at)} by ${lock.lifted.actor.id}`,
  lock.case_reference,
]

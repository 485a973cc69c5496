import { MEMBERS } from '../../protocol/texts/members.ts'
import { type AnswerTo, CommandFailure, EXIT, type Json, misused } from './broker.ts'
import {
  agree,
  CASE_AND_COMMENT,
  type Called,
  FILTER,
  group,
  option,
  paged,
  verb,
  YES,
} from './context.ts'
import { readMoment } from './moment.ts'
import { agreed, type Agreeing } from './preview.ts'
import { inWords, time, withName } from './show.ts'
import { SAYS } from './texts/answers.ts'

export interface UserOptions extends Agreeing {
  user?: string
  subject?: string
  tid?: string
  oid?: string
}

const LOCKING = {
  ...CASE_AND_COMMENT,
  ends_at: option(
    '--until <time>',
    'the broker lifts it then: 2026-12-04T17:00+01:00, or +8h',
  ).argParser((value) => readMoment(value)),
  replaces: option('--replaces <lock>', MEMBERS.replaces),
}
const DRY_RUN = option('--dry-run', 'show whom it would sign out, and change nothing')

/** The option that names one user by words that `cmb search` finds. */
export const USER_NAME = option('--user <name>', 'one user, by words of their name or address')
/** The options that name one user. */
export const USER = [
  USER_NAME,
  option('--subject <sub>', 'by the sub of their tokens'),
  option('--tid <tid>', 'by their Microsoft tenant, with --oid'),
  option('--oid <oid>', 'their object id there'),
]
type Naming<O> = Pick<Called<O>, 'broker' | 'context' | 'options'>

export async function userIn(called: Naming<UserOptions>): Promise<Json> {
  const { user, subject, tid, oid } = called.options
  const given = [user, subject, tid ?? oid].filter((candidate) => candidate !== undefined).length
  if (given === 1) {
    if (user !== undefined) return { sub: await subOf(called, user) }
    if (subject !== undefined) return { sub: subject }
    if (tid !== undefined && oid !== undefined) return { tid, oid }
  }
  throw misused(SAYS.which_user)
}

/**
 * Returns the sub of the one user whom the words name. Asks if they are only beginnings of words.
 * @throws CommandFailure if they name no user or several, or if the user does not agree
 */
export async function subOf(
  { broker, context, options: { yes, dryRun } }: Naming<Agreeing>,
  name: string,
): Promise<string> {
  const { users, more_users: more } = await broker.ask('GET /search', { q: name })
  const [only] = users
  if (only !== undefined && users.length === 1 && !more) {
    const { sub, oid, name: whole, username } = only
    const isWhole = [whole, username, sub, oid].some(
      (candidate) => candidate?.toLowerCase() === name.toLowerCase(),
    )
    if (!isWhole && yes !== true && dryRun !== true)
      await agree(context, `${name} is ${withName(whole ?? undefined, username ?? sub)}.`)
    return sub
  }
  throw new CommandFailure(
    EXIT.failed,
    only === undefined
      ? SAYS.no_user(name)
      : SAYS.several_users(name, more) +
          inWords({ users }, { users: ['sub', 'name', 'username', 'tid'] }),
  )
}

type Locked = AnswerTo<'POST /locks'>
const nameOf = ({ target, target_name: name }: Locked['lock']): string =>
  withName(name, Object.values(target).join(' '))

/**
 * Returns what was done.
 * @throws CommandFailure if another lock is open, which ends at another time than the wanted one
 */
function lockedWords(
  { outcome, lock }: Locked,
  { options }: Called<Agreeing & { until?: number }>,
): string {
  const until = lock.ends_at === null ? '' : time(lock.ends_at)
  const words = SAYS[outcome === 'already' ? 'locked_before' : 'locked'](
    nameOf(lock),
    lock.id,
    until,
  )
  if (outcome === 'already' && options.until !== undefined && options.until !== lock.ends_at)
    throw new CommandFailure(EXIT.failed, words)
  return words
}

const lockOf = (kind: 'tenant' | 'client', name: 'tid' | 'client_id') =>
  verb({
    name: `${kind} <${name === 'tid' ? 'tid' : 'id'}>`,
    at: 'POST /locks',
    takes: LOCKING,
    flags: [DRY_RUN, YES],
    members: ({ id }) => ({ id: undefined, tid: undefined, target: { kind, [name]: id } }),
    ask: agreed('always'),
    words: lockedWords,
  })

/**
 * The command `cmb lock`. A lock rejects sign-ins, codes and tokens of a user, a tenant or a client
 * until it is lifted.
 */
export const lockCommand = group(
  'lock',
  verb({
    name: 'user',
    at: 'POST /locks',
    takes: LOCKING,
    flags: [...USER, DRY_RUN, YES],
    members: async (called: Called<UserOptions>) => ({
      target: { kind: 'user', ...(await userIn(called)) },
    }),
    ask: agreed('never'),
    words: lockedWords,
  }),
  lockOf('tenant', 'tid'),
  lockOf('client', 'client_id'),
)

export const unlockCommand = verb({
  name: 'unlock <lock>',
  at: 'POST /locks/:id/lift',
  takes: CASE_AND_COMMENT,
  words: ({ outcome, lock }) =>
    outcome === 'lifted'
      ? SAYS.lifted(nameOf(lock))
      : SAYS.lifted_before(lock.lifted?.actor.id, time(lock.lifted?.at)),
})

export const lockCommands = group(
  'locks',
  verb({
    name: 'list',
    at: 'GET /locks',
    takes: {
      kind: option('--kind <kind>', 'user, tenant or client'),
      case_reference: FILTER.case_reference,
      ...paged('50'),
    },
    flags: [option('--all', 'also lifted ones')],
    members: ({ options: { all } }: Called<{ all?: true }>) => ({ state: all ? 'all' : 'open' }),
    columns: {
      locks: ['id', 'target', 'at', 'actor', 'ends_at', 'lifted', 'case_reference'],
    },
  }),
)

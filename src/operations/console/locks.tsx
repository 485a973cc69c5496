import type { Child } from 'hono/jsx'
import type { Lock } from '../../../db/types.ts'
import { tenantName } from '../acts/names.ts'
import { lockIn, userIn } from '../acts/scope.ts'
import { Notice } from '../../pages/components.tsx'
import { MomentField, SelectField } from '../../pages/fields.tsx'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { ask, dryRun } from '../contract/ask.ts'
import { lockTarget } from '../contract/shapes.ts'
import { toWire } from '../contract/wire.ts'
import { actAt, type Submission, confirmed, typedFor } from './confirm.tsx'
import { Done, nothingHere, revocationLink } from './layout.tsx'
import { NEEDS_ADMINISTRATOR } from './texts/layout.ts'
import { actorWords, mayRead, nameOf, plural, whoIs } from './format.ts'
import { howMany } from './texts/revoke.ts'
import { when } from '../times.ts'
import { type Columns, iso, listOf, listRoutes, momentIn, ms, timeColumn } from './list.tsx'
import { idIn } from './pages.tsx'
import { DONE, GONE, LOCKS, THEN } from './texts/locks.ts'
import {
  queryParam,
  clientLink,
  type ConsoleRequest,
  isAdministrator,
  isOperator,
  type Mounted,
  pageLink,
  tidOf,
  userLink,
} from './request.ts'
import { timeAt } from './time.tsx'
import { COVERED } from './texts/acts.ts'

/**
 * The page of open locks; the lock of a user, an instance or a tenant, after a dry run that says
 * how many sessions end; and the lifting of a lock.
 */

interface TargetWords {
  words: string
  sub?: string
}
/** A lock of the list. `isReadable`: the viewer may read its case and comment, and lift it. */
type ShownLock = Lock & TargetWords & { isReadable: boolean }

const shownLocks = (request: ConsoleRequest, locks: readonly Lock[]): Promise<ShownLock[]> =>
  Promise.all(
    locks.map(async (lock) => ({
      ...lock,
      ...(await targetWords(request, lock.target)),
      isReadable: await mayRead(request, lock),
    })),
  )

function columnsOf(request: ConsoleRequest, someLifted = false): Columns<ShownLock> {
  const read = (pick: (readable: Lock) => string | undefined) => (lock: ShownLock) =>
    lock.isReadable ? (pick(lock) ?? '') : ''
  return [
    [
      'What',
      ({ words, sub }) => (
        <strong>{sub === undefined ? words : <a href={userLink(request, sub)}>{words}</a>}</strong>
      ),
    ],
    timeColumn(request, 'Since', ({ at }) => ms(at)),
    ['By', ({ actor }) => actorWords(request, actor)],
    ['Until', (lock) => endWords(request, lock, lock.isReadable), ({ endsAt }) => iso(ms(endsAt))],
    someLifted && timeColumn(request, 'Lifted', ({ lifted }) => ms(lifted?.at)),
    ['Case', read(({ caseReference }) => caseReference)],
    ['Comment', read(({ comment }) => comment)],
    isAdministrator(request) && [
      'Lift',
      ({ id, words, isReadable, lifted }) =>
        isReadable && lifted === undefined ? (
          <a
            href={pageLink(request, '/locks/lift', { id })}
            aria-label={`Lift the lock of ${words}`}
          >
            Lift
          </a>
        ) : (
          ''
        ),
      false,
    ],
  ]
}

/** Returns when a lock ends, or that an administrator must lift it. */
export const untilOf = (
  request: Pick<ConsoleRequest, 'deps'>,
  { endsAt }: Pick<Lock, 'endsAt'>,
): Child => timeAt(request, endsAt) ?? COVERED.lifts

/** Returns the same for the viewer of a lock: one of an operator is lifted by the operator alone. */
const endWords = (request: ConsoleRequest, { endsAt }: Lock, isReadable: boolean): Child =>
  endsAt === undefined && !isReadable ? LOCKS.operatorLifts : untilOf(request, { endsAt })

/** Says by whom something was locked, for which case, and until when. */
export async function lockWords(request: ConsoleRequest, lock: Lock): Promise<Child> {
  const isReadable = await mayRead(request, lock)
  const { caseReference } = isReadable ? lock : {}
  const by = await actorWords(request, lock.actor)
  return (
    <>
      By: {by}.{caseReference === undefined ? '' : ` Case: ${caseReference}.`} Until:{' '}
      {endWords(request, lock, isReadable)}.
    </>
  )
}

/** Says of locks that the viewer must not lift who lifts them, and whom to ask. */
export async function ofOperator(request: ConsoleRequest, locks: readonly Lock[]): Promise<Child> {
  const readable = await Promise.all(locks.map((lock) => mayRead(request, lock)))
  if (readable.every(Boolean)) return null
  const { support } = request.deps.config.look
  return (
    <p class="soft">
      {LOCKS.ofOperator} {support === undefined ? null : <a href={support}>{LOCKS.askOperator}</a>}
    </p>
  )
}

export const lockList = async (
  request: ConsoleRequest,
  label: string,
  locks: readonly Lock[],
): Promise<Child> =>
  listOf<ShownLock>(request, {
    label,
    columns: columnsOf(
      request,
      locks.some(({ lifted }) => lifted !== undefined),
    ),
    entries: await shownLocks(request, locks),
    none: LOCKS.none,
  })

/** Says what the locking or lifting of a lock has done, with a link to the lock's revocation. */
export async function lockResult(request: ConsoleRequest): Promise<Child> {
  const { deps, viewer } = request
  const lock = await lockIn(deps, viewer.caller.actor, queryParam(request, 'id') ?? '')
  if (lock?.seq === undefined) return <Done request={request} results={DONE} />
  const { kind } = lock.target
  const { words } = await targetWords(request, lock.target)
  const ended = Math.trunc(Number(queryParam(request, 'number'))) || 0
  return (
    <Notice kind="good" title={kind === 'user' ? LOCKS.done(words, ended) : DONE[kind]}>
      {isOperator(request) ? revocationLink(lock.seq, LOCKS.stopped) : null}
    </Notice>
  )
}

const openLocks = listRoutes<ShownLock, string, ShownLock>({
  name: 'locks',
  title: 'Locks',
  label: 'Open locks',
  tenant: true,
  columns: (request) => columnsOf(request),
  none: LOCKS.noneYet,
  above: lockResult,
  heading: (_, shown, whole) => (whole ? plural(shown.length, 'open lock') : undefined),
  async read(request) {
    const tid = tidOf(request)
    const narrowed = tid === undefined ? {} : ({ kind: 'user', key: tid } as const)
    return async ({ from, limit }) => {
      const page = { ...narrowed, before: from, limit }
      const locks = await request.deps.store.listLocks({ state: 'open', ...page })
      return { found: await shownLocks(request, locks), searchedTo: undefined }
    }
  },
  placeIn: (_, cursor) => idIn(cursor),
  cursorOf: (_, { id }) => id,
})

/**
 * Returns in words whom or what the lock concerns, and the user's sub if the broker knows the user.
 */
async function targetWords({ deps }: ConsoleRequest, target: LockTarget): Promise<TargetWords> {
  if (target.kind === 'client') return { words: LOCKS.client(nameOf(deps, target.clientId)) }
  if (target.kind === 'tenant') return { words: LOCKS.tenant(await tenantName(deps, target.tid)) }
  const user = await deps.store.findSubjectByUser(target.tid, target.oid)
  return user === undefined
    ? { words: LOCKS.user(target.oid, await tenantName(deps, target.tid)) }
    : { words: whoIs({ user }), sub: user.sub }
}

/** The parameters that name what to lock. */
const NAMES = ['user', 'client', 'tenant'] as const
/**
 * Returns what a query or a form names: a user by `sub`, an instance or a tenant. The administrator
 * of a tenant names a user of it.
 */
async function targetOf(
  { deps, viewer }: ConsoleRequest,
  source: URLSearchParams,
): Promise<LockTarget | undefined> {
  const { actor } = viewer.caller
  const [user = '', clientId = '', tid = ''] = NAMES.map((name) =>
    (source.get(name) ?? '').trim().slice(0, 200),
  )
  if (actor.tid === undefined && clientId !== '') return { kind: 'client', clientId }
  if (actor.tid === undefined && tid !== '') return { kind: 'tenant', tid }
  const found = await userIn(deps, actor, user)
  return found && { kind: 'user', tid: found.tid, oid: found.oid }
}

/** The hours for which a lock can last. */
const HOURS = [1, 8, 24] as const
/** The choice of a lock that lasts until it is lifted. */
const OPEN = 'open'

/**
 * Returns how long a lock can last as options, each with its end. Only administrators get the
 * option of a lock without an end.
 */
const choices = (request: ConsoleRequest) => [
  ...HOURS.map((hours) => {
    const end = when((request.now + hours * 3600) * 1000, request.deps.clock.nowMs())
    return [String(hours), `${end} (${plural(hours, 'hour')})`] as const
  }),
  ...(isAdministrator(request) ? [[OPEN, LOCKS.open] as const] : []),
]

/** Returns the chosen length. Default: a day for a user, and else until the lock is lifted. */
const chosenLength = (kind: LockTarget['kind'], hours: string | null): string =>
  [...HOURS.map(String), OPEN].find((candidate) => candidate === hours) ??
  (kind === 'user' ? '24' : OPEN)

async function lock(request: ConsoleRequest, form: Submission): Promise<Response> {
  const { deps, viewer, now } = request
  const { caller } = viewer
  const { source } = form
  const target = await targetOf(request, source)
  if (target === undefined) return nothingHere(request, GONE, '/locks')
  const { kind } = target
  if (kind !== 'user' && !isAdministrator(request))
    return nothingHere(request, NEEDS_ADMINISTRATOR, '/locks', 403)
  const { words, sub } = await targetWords(request, target)
  const length = chosenLength(kind, source.get('hours'))
  const until = momentIn(source.get('until')?.trim() || undefined)
  const members = {
    target: toWire(lockTarget, target),
    ends_at: until ?? (length === OPEN ? undefined : now + Number(length) * 3600),
  }
  const { would_end: end, open } = await dryRun(request, caller, 'POST /locks', members)
  return confirmed(request, form, {
    title: LOCKS.check,
    at: '/locks',
    action: '/lock',
    fields: Object.fromEntries(NAMES.map((name) => [name, source.get(name) ?? undefined])),
    typed: await typedFor(deps, target),
    button: LOCKS.now,
    back: {
      href:
        kind === 'client'
          ? clientLink(target.clientId)
          : sub === undefined
            ? pageLink(request, '/tenants')
            : userLink(request, sub),
    },
    show: () => ({
      notices: open === null ? null : <Notice kind="warn" title={LOCKS.already(kind)} />,
      facts: [
        ['What', words],
        [
          LOCKS.endsNow,
          howMany({ ...end, otherSubjects: end.other_subjects }, isOperator(request)),
        ],
        [LOCKS.whileItLasts, THEN[kind]],
      ],
      more: (
        <>
          <SelectField
            name="hours"
            label={LOCKS.until}
            options={choices(request)}
            chosen={length}
          />
          <MomentField name="until" label={LOCKS.another} at={until} />
        </>
      ),
    }),
    async carryOut(caseAndComment) {
      const wanted = { ...members, ...caseAndComment }
      const { outcome, lock } = await ask(request, caller, 'POST /locks', wanted)
      if (outcome !== 'locked') return lockedLink(request, sub, { done: outcome })
      // The revocation counts its sessions only later.
      const number = kind === 'user' ? String(end.sessions) : undefined
      return lockedLink(request, sub, { done: kind, id: lock.id, number })
    },
  })
}

/** Returns the page on which an act ends: that of its user, or else the locks. */
const lockedLink = (
  request: ConsoleRequest,
  sub: string | undefined,
  query?: Record<string, string | undefined>,
): string =>
  sub === undefined ? pageLink(request, '/locks', query) : userLink(request, sub, query)

async function lift(request: ConsoleRequest, form: Submission): Promise<Response> {
  const { deps, viewer } = request
  const open = await lockIn(deps, viewer.caller.actor, form.source.get('id') ?? '')
  if (open === undefined) return nothingHere(request, GONE, '/locks')
  const { id, target, caseReference, comment } = open
  const { words, sub } = await targetWords(request, target)
  return confirmed(request, form, {
    title: LOCKS.lift,
    at: '/locks',
    action: '/locks/lift',
    fields: { id },
    button: LOCKS.liftIt,
    back: { href: lockedLink(request, sub) },
    show: () => ({
      facts: [
        ['Locked', words],
        ['Case', caseReference],
        ['Comment', comment],
      ],
    }),
    async carryOut(caseAndComment) {
      const members = { id, ...caseAndComment }
      const { outcome } = await ask(request, viewer.caller, 'POST /locks/:id/lift', members)
      return lockedLink(request, sub, {
        done: outcome === 'lifted' ? 'lifted' : 'lifted_before',
      })
    },
  })
}

export const lockRoutes: readonly Mounted[] = [
  ...openLocks,
  actAt('/lock', lock, { at: '/locks', need: 'operate', tenant: true }),
  actAt('/locks/lift', lift, { at: '/locks', tenant: true }),
]

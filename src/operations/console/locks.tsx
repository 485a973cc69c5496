import type { Child } from 'hono/jsx'
import type { Lock } from '../../../db/types.ts'
import { liftAs, lockAs, previewedLock } from '../acts/locks.ts'
import { tenantName } from '../acts/names.ts'
import { lockIn, userIn } from '../acts/scope.ts'
import { Problem } from '../../clients/problem.ts'
import { Button, LinkButton, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { isGuid } from '../../protocol/guid.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { caseAndCommentIn, confirmPage, problemOf } from './confirm.tsx'
import { consolePage, Done, NEEDS_ADMINISTRATOR, Panel, nothingHere } from './layout.tsx'
import { actorWords, howMany, mayRead, nameOf, untilOf, when, whoIs } from './format.ts'
import { listOf } from './list.tsx'
import { pageOf, placeOf } from './pages.tsx'
import {
  actAt,
  clientLink,
  type ConsoleRequest,
  isAdministrator,
  mayAct,
  type Mounted,
  pageLink,
  queried,
  tidOf,
  userLink,
} from './request.ts'

/**
 * The page of open locks; the lock of a user or an instance, after a dry run that says how many
 * sessions end; and the lifting of a lock.
 */

const PAGE = 50
const LOCK_ID = /^l_[\w-]{1,60}$/

const DONE: Readonly<Record<string, string>> = {
  locked: 'The user is locked and signed out.',
  already: 'The user was locked already. Nothing was changed.',
  client_locked: 'The instance is locked. It gets no code and no token.',
  client_already: 'The instance was locked already. Nothing was changed.',
  lifted: 'The lock is lifted. Sign-ins are possible again.',
  lifted_before: 'The lock had been lifted already.',
}

interface TargetWords {
  words: string
  sub?: string
}
/** A lock of the list. `isReadable`: the viewer may read its case and comment, and lift it. */
type ShownLock = Lock & TargetWords & { isReadable: boolean }

export async function lockList(
  request: ConsoleRequest,
  shown: readonly Lock[],
  pages?: Parameters<typeof listOf>[1]['pages'],
): Promise<Child> {
  const { deps } = request
  const rows = shown.map(async (lock) => ({
    ...lock,
    ...(await targetWords(request, lock.target)),
    isReadable: await mayRead(request, lock),
  }))
  return listOf<ShownLock>(request, {
    label: 'Open locks',
    columns: [
      [
        'What',
        ({ words, sub, isReadable, comment }) => (
          <>
            <strong>
              {sub === undefined ? words : <a href={userLink(request, sub)}>{words}</a>}
            </strong>
            {isReadable && comment !== undefined ? <div class="small soft">“{comment}”</div> : null}
          </>
        ),
      ],
      ['Since', ({ at }) => when(at * 1000, deps.clock.nowMs())],
      ['By', ({ actor }) => actorWords(request, actor)],
      ['Until', untilOf],
      ['Case', ({ isReadable, caseReference }) => (isReadable ? (caseReference ?? '') : '')],
      isAdministrator(request) && [
        'Lift',
        ({ id, words, isReadable }) =>
          isReadable ? (
            <a
              href={pageLink(request, '/locks/lift', { id })}
              aria-label={`Lift the lock of ${words}`}
            >
              Lift
            </a>
          ) : (
            ''
          ),
      ],
    ],
    entries: await Promise.all(rows),
    none: 'Nothing is locked.',
    pages,
  })
}

async function locksPage(request: ConsoleRequest): Promise<Response> {
  const tid = tidOf(request)
  const place = placeOf(request, LOCK_ID)
  const found = await request.deps.store.listLocks({
    state: 'open',
    ...(tid !== undefined && { kind: 'user', key: tid }),
    before: place.before,
    limit: PAGE + 1,
  })
  const { shown, next } = pageOf(found, PAGE, ({ id }) => id)
  return consolePage(
    request,
    { title: 'Locks', at: '/locks' },
    <>
      <Done request={request} results={DONE} />
      <Panel>
        {await lockList(request, shown, { place, next })}
        {tid === undefined ? <OtherLocks request={request} /> : null}
      </Panel>
    </>,
  )
}

const OtherLocks = ({ request }: { request: ConsoleRequest }) => (
  <>
    {mayAct(request) ? (
      <div class="row">
        <LinkButton href="/ops/lock">Lock a user</LinkButton>
      </div>
    ) : null}
    <p class="soft small">
      An administrator locks an instance on its page, and a tenant with cmb lock or the API.
    </p>
  </>
)

/**
 * Returns in words whom or what the lock concerns, and the user's sub if the broker knows the user.
 */
async function targetWords({ deps }: ConsoleRequest, target: LockTarget): Promise<TargetWords> {
  if (target.kind === 'client') return { words: `The instance ${nameOf(deps, target.clientId)}` }
  if (target.kind === 'tenant') return { words: `The tenant ${await tenantName(deps, target.tid)}` }
  const user = await deps.store.findSubjectByUser(target.tid, target.oid)
  return user === undefined
    ? { words: `The user ${target.oid} of ${await tenantName(deps, target.tid)}` }
    : { words: whoIs({ user }), sub: user.sub }
}

/** The user or instance to lock, as a query or a form names it. */
interface Draft {
  user: string
  /** Empty for the lock of a user. */
  client: string
}
const readDraft = (source: URLSearchParams): Draft => ({
  user: (source.get('user') ?? '').trim(),
  client: (source.get('client') ?? '').slice(0, 200),
})

/**
 * Reads a client id, a sub, or tenant and object id with a space between. The administrator of a
 * tenant names a user of it by the sub.
 */
async function targetOf(
  { deps, viewer }: ConsoleRequest,
  { user, client }: Draft,
): Promise<LockTarget | undefined> {
  const { actor } = viewer.caller
  if (actor.tid === undefined) {
    if (client !== '') return { kind: 'client', clientId: client }
    const [tid = '', oid = '', more] = user.toLowerCase().split(/\s+/)
    if (more === undefined && isGuid(tid) && isGuid(oid)) return { kind: 'user', tid, oid }
  }
  const found = await userIn(deps, actor, user)
  return found && { kind: 'user', tid: found.tid, oid: found.oid }
}

/**
 * The form that names the user to lock. Operators may lock a user whom the broker does not know
 * yet.
 */
const draftPage = (request: ConsoleRequest, draft: Draft, problem?: string): Response =>
  consolePage(
    request,
    { title: 'Lock a user', at: '/locks', status: problem === undefined ? 200 : 422 },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      <form class="stack" method="get" action="/ops/lock/check">
        <TextField
          name="user"
          label="User"
          hint="The user’s id (sub), which begins with u_. Or the tenant id and the object id, with a space between them. To find a user by name, search above, and lock them on their page."
          value={draft.user}
          maxlength={200}
          literal
          required
        />
        <div class="row">
          <Button>See what the lock ends</Button>
        </div>
        <p class="soft small">Nothing is locked until you confirm it on the next page.</p>
      </form>
    </Panel>,
  )

/** The durations for which a user can be locked. */
const HOURS = ['1', '8', '24'] as const

/**
 * Returns the durations as options. Only administrators get the option of a lock without an end.
 */
const choices = (request: ConsoleRequest) => [
  ...HOURS.map((hours) => [hours, hours === '1' ? '1 hour' : `${hours} hours`] as const),
  ...(isAdministrator(request) ? [['', 'Until an administrator lifts it'] as const] : []),
]

/** Returns when the lock ends, in epoch seconds, or undefined if it lasts until it is lifted. */
function endOf(hours: string | null, now: number): number | undefined {
  const known = HOURS.find((one) => one === hours)
  return known === undefined ? undefined : now + Number(known) * 3600
}

/**
 * Shows what the lock would end. With `problem` it shows a rejected form again, and why it was
 * rejected.
 */
async function lockCheck(
  request: ConsoleRequest,
  source: URLSearchParams,
  problem?: string,
): Promise<Response> {
  const { deps, now } = request
  const draft = readDraft(source)
  const target = await targetOf(request, draft)
  if (target === undefined) return unknown(request, draft)
  if (!mayLock(request, target)) return notAllowed(request)
  const isClient = target.kind === 'client'
  try {
    const { wouldEnd, open } = await previewedLock(deps, target, now, tidOf(request))
    return confirmPage(request, {
      title: 'Check before you lock',
      at: '/locks',
      source,
      problem,
      notices:
        open === undefined ? null : (
          <Notice kind="warn" title={`This ${isClient ? 'instance' : 'user'} is locked already.`} />
        ),
      facts: [
        ['What', (await targetWords(request, target)).words],
        ['Ends now', howMany(wouldEnd)],
        [
          'Then',
          isClient
            ? 'The instance gets no code and no token, until the lock is lifted.'
            : 'The user cannot sign in, until the lock is lifted.',
        ],
      ],
      action: '/lock',
      fields: { ...draft },
      more: (
        <SelectField
          name="hours"
          label="For how long?"
          options={choices(request)}
          chosen={source.get('hours') ?? (isClient ? '' : '24')}
        />
      ),
      typed: typedFor(target),
      button: 'Lock now',
      back: {
        href: isClient
          ? clientLink(draft.client)
          : draft.user.startsWith('u_')
            ? userLink(request, draft.user)
            : pageLink(request, '/locks'),
      },
    })
  } catch (error) {
    return rejected(request, draft, target, error)
  }
}

const mayLock = (request: ConsoleRequest, { kind }: LockTarget): boolean =>
  kind === 'user' || isAdministrator(request)
/** Returns the word to type before an instance is locked. The lock of a user needs none. */
const typedFor = (target: LockTarget) =>
  target.kind === 'client' ? { word: target.clientId } : undefined
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, NEEDS_ADMINISTRATOR, '/clients', 403)

const GONE = 'There is no such user or open lock here. Nothing was changed.'
const UNKNOWN =
  'No such user. Search the sessions to find the user, or enter the tenant id and the object id.'
const unknown = (request: ConsoleRequest, draft: Draft): Response =>
  tidOf(request) === undefined
    ? draftPage(request, draft, UNKNOWN)
    : nothingHere(request, GONE, '/locks')

/**
 * Renders a rejected act as a page. An unknown id has words of its own here, because the API's
 * words name addresses of the API.
 * @throws every error that is not a Problem
 */
function rejected(
  request: ConsoleRequest,
  draft: Draft,
  { kind }: LockTarget,
  error: unknown,
): Response {
  if (!(error instanceof Problem)) throw error
  const isUnknown = error.status === 404
  if (kind === 'user' && isUnknown) return unknown(request, draft)
  const words = isUnknown
    ? 'No client of that ID is registered.'
    : `${error.title}. ${error.message}`
  return nothingHere(request, words, kind === 'user' ? '/locks' : '/clients', 422)
}

async function lockNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, viewer, now } = request
  const draft = readDraft(form)
  const target = await targetOf(request, draft)
  if (target === undefined) return unknown(request, draft)
  if (!mayLock(request, target)) return notAllowed(request)
  const problem = problemOf(request, form, { typed: typedFor(target) })
  if (problem !== undefined) return lockCheck(request, form, problem)
  try {
    const { outcome } = await lockAs(deps, viewer.caller, {
      target,
      endsAt: endOf(form.get('hours'), now),
      ...caseAndCommentIn(form),
      now,
    })
    const done = target.kind === 'user' ? outcome : `client_${outcome}`
    return c.redirect(pageLink(request, '/locks', { done }), 303)
  } catch (error) {
    return rejected(request, draft, target, error)
  }
}

/**
 * Lifts a lock, or shows the page that confirms it.
 * @param sent the form; if left out, the confirmation page is shown
 */
async function lift(
  request: ConsoleRequest,
  source: URLSearchParams,
  sent?: URLSearchParams,
): Promise<Response> {
  const { deps, c, viewer, now } = request
  const lock = await lockIn(deps, viewer.caller.actor, source.get('id') ?? '')
  if (lock === undefined) return nothingHere(request, GONE, '/locks')
  const problem = sent && problemOf(request, sent)
  if (sent === undefined || problem !== undefined)
    return confirmPage(request, {
      title: 'Lift a lock',
      at: '/locks',
      source,
      problem,
      facts: [
        ['Locked', (await targetWords(request, lock.target)).words],
        ['Case', lock.caseReference],
        ['Comment', lock.comment],
      ],
      action: '/locks/lift',
      fields: { id: lock.id },
      button: 'Lift the lock',
      back: { href: pageLink(request, '/locks') },
    })
  const asked = { id: lock.id, ...caseAndCommentIn(sent), now }
  const { outcome } = await liftAs(deps, viewer.caller, asked)
  const done = outcome === 'lifted' ? 'lifted' : 'lifted_before'
  return c.redirect(pageLink(request, '/locks', { done }), 303)
}

export const lockRoutes: readonly Mounted[] = [
  { path: '/locks', tenant: true, page: locksPage },
  {
    path: '/lock',
    need: 'operate',
    page: (request) => draftPage(request, readDraft(queried(request))),
  },
  {
    path: '/lock/check',
    need: 'operate',
    tenant: true,
    page: (request) => lockCheck(request, queried(request)),
  },
  { path: '/lock', tenant: true, form: lockNow },
  { ...actAt('/locks/lift', lift), tenant: true },
]

import type { Child } from 'hono/jsx'
import type { Subject } from '../../../../db/types.ts'
import { fellowOf, lockIn, liftIn, lockOf, revokeIn, sessionOf, userOf } from '../../acts/tenant.ts'
import { SelectField } from '../../../pages/fields.tsx'
import type { Selector } from '../../../protocol/revocation.ts'
import { isFresh } from '../../../clients/session/lifetimes.ts'
import {
  CaseAndCommentFields,
  caseAndCommentIn,
  Confirm,
  endOf,
  HOUR_CHOICES,
  NOT_FRESH,
  SignInAgain,
  UNTIL_LIFTED,
} from '../confirm.tsx'
import { plural, whoIs } from '../format.ts'
import {
  Hidden,
  nothingOfTenant,
  tenantPage,
  type TenantRequest,
  type TenantWay,
} from './layout.tsx'
import type { Mounted } from '../layout.tsx'
import { userPath, USERS } from './lists.tsx'

/**
 * Revoking, locking and lifting in one tenant: what it would end, and the deed, for an
 * administrator who signed in a short time ago.
 */

const LOCKS = '/tenant/locks'
const GONE = 'Your tenant has no such user, session or lock here. Nothing was changed.'

/** What a request names, within the tenant. */
interface Named {
  user: Subject
  selector: Selector & { kind: 'session' | 'subject' }
  /** The fields that name it. */
  fields: Record<string, string>
}

async function namedIn(
  { deps, administrator, now }: TenantRequest,
  source: URLSearchParams,
): Promise<Named | undefined> {
  const { actor } = administrator
  const sid = source.get('session')
  const session = sid === null ? undefined : (await sessionOf(deps, actor, sid, now))?.session
  const sub = sid === null ? (source.get('user') ?? '') : (session?.sub ?? '')
  const user = await userOf(deps, actor, sub)
  if (user === undefined) return undefined
  if (session !== undefined)
    return {
      user,
      selector: { kind: 'session', sid: session.sid },
      fields: { session: session.sid },
    }
  return { user, selector: { kind: 'subject', sub }, fields: { user: sub } }
}

const queried = ({ c }: TenantRequest): URLSearchParams => new URL(c.req.url).searchParams
const fresh = ({ administrator, now }: TenantRequest): boolean =>
  isFresh(administrator.session, now)

interface Act {
  title: string
  at: TenantWay
  action: string
  facts: [string, Child][]
  fields: Record<string, string>
  button: string
  more?: Child
  problem?: string | undefined
}

function confirmPage(
  request: TenantRequest,
  { title, at, action, facts, fields, button, more, problem }: Act,
): Response {
  return tenantPage(
    request,
    { title, at, status: problem === undefined ? 200 : 422 },
    <Confirm
      problem={problem}
      facts={facts}
      after={
        fresh(request) ? null : (
          <SignInAgain what="This" href="/signin/start?return_to=/tenant/fresh&fresh=yes" />
        )
      }
      action={action}
      button={button}
      kind="danger"
      back={{ href: at }}
    >
      <Hidden request={request} fields={fields} />
      {more}
      <CaseAndCommentFields />
    </Confirm>,
  )
}

const endsNow = async ({ deps, now }: TenantRequest, selector: Selector): Promise<string> => {
  const { sessions, clients } = await deps.store.previewRevocation(selector, now)
  return `${plural(sessions, 'session')}, at ${plural(clients, 'instance')}`
}

async function revokePage(
  request: TenantRequest,
  source = queried(request),
  problem?: string,
): Promise<Response> {
  const named = await namedIn(request, source)
  if (named === undefined) return nothingOfTenant(request, GONE, USERS)
  return confirmPage(request, {
    title: 'Check before you revoke',
    at: USERS,
    action: '/tenant/revoke',
    facts: [
      ['User', whoIs(named)],
      ['What', named.selector.kind === 'session' ? 'One session' : 'Every session of the user'],
      ['Ends now', await endsNow(request, named.selector)],
    ],
    fields: named.fields,
    button: 'Revoke now',
    problem,
  })
}

async function revokeNow(request: TenantRequest, form: URLSearchParams): Promise<Response> {
  const named = await namedIn(request, form)
  if (named === undefined) return nothingOfTenant(request, GONE, USERS)
  if (!fresh(request)) return revokePage(request, form, NOT_FRESH)
  const done = await revokeIn(request.deps, request.administrator.actor, named.selector, {
    ...caseAndCommentIn(form),
    now: request.now,
  })
  if (!done)
    return nothingOfTenant(request, 'It had already ended. Nothing was revoked.', USERS, 422)
  return request.c.redirect(`${userPath(named.user.sub)}?done=revoked`, 303)
}

async function lockPage(
  request: TenantRequest,
  source = queried(request),
  problem?: string,
): Promise<Response> {
  const named = await namedIn(request, source)
  if (named?.selector.kind !== 'subject') return nothingOfTenant(request, GONE, USERS)
  return confirmPage(request, {
    title: 'Check before you lock',
    at: USERS,
    action: '/tenant/lock',
    facts: [
      ['User', whoIs(named)],
      ['Ends now', await endsNow(request, named.selector)],
      ['Then', 'No sign-in to Case Manager by this user of your tenant, until the lock is lifted.'],
    ],
    fields: named.fields,
    more: (
      <SelectField
        name="hours"
        label="For how long?"
        options={[...HOUR_CHOICES, UNTIL_LIFTED]}
        chosen={source.get('hours') ?? '24'}
      />
    ),
    button: 'Lock now',
    problem,
  })
}

async function lockNow(request: TenantRequest, form: URLSearchParams): Promise<Response> {
  const { now, administrator } = request
  const named = await namedIn(request, form)
  if (named?.selector.kind !== 'subject') return nothingOfTenant(request, GONE, USERS)
  if (!fresh(request)) return lockPage(request, form, NOT_FRESH)
  if (named.user.sub === administrator.session.sub)
    return nothingOfTenant(
      request,
      'You cannot lock your own account. Ask another administrator of your tenant.',
      USERS,
      422,
    )
  const done = await lockIn(request.deps, administrator.actor, named.user, {
    ...caseAndCommentIn(form),
    endsAt: endOf(form.get('hours'), now),
    now,
  })
  if (!done)
    return nothingOfTenant(
      request,
      'This user is locked already, or cannot be locked. Nothing was changed.',
      LOCKS,
      422,
    )
  return request.c.redirect(`${userPath(named.user.sub)}?done=locked`, 303)
}

/** A lock that this administrator may lift. */
async function liftable({ deps, administrator }: TenantRequest, source: URLSearchParams) {
  const lock = await lockOf(deps, administrator.actor, source.get('id') ?? '')
  if (
    lock?.target.kind !== 'user' ||
    (await fellowOf(deps, administrator.actor, lock.actor)) === undefined
  )
    return undefined
  const { oid, tid } = lock.target
  const user = await deps.store.findSubjectByUser(tid, oid)
  return { lock, words: user === undefined ? oid : whoIs({ user }), sub: user?.sub }
}

async function liftPage(
  request: TenantRequest,
  source = queried(request),
  problem?: string,
): Promise<Response> {
  const found = await liftable(request, source)
  if (found === undefined) return nothingOfTenant(request, GONE, LOCKS)
  return confirmPage(request, {
    title: 'Lift a lock',
    at: LOCKS,
    action: '/tenant/locks/lift',
    facts: [
      ['Locked', found.words],
      ['Case', found.lock.caseReference],
      ['Comment', found.lock.comment],
    ],
    fields: { id: found.lock.id },
    button: 'Lift the lock',
    problem,
  })
}

async function liftNow(request: TenantRequest, form: URLSearchParams): Promise<Response> {
  const found = await liftable(request, form)
  if (found === undefined) return nothingOfTenant(request, GONE, LOCKS)
  if (!fresh(request)) return liftPage(request, form, NOT_FRESH)
  await liftIn(request.deps, request.administrator.actor, found.lock.id, {
    ...caseAndCommentIn(form),
    now: request.now,
  })
  return request.c.redirect(
    found.sub === undefined ? LOCKS : `${userPath(found.sub)}?done=lifted`,
    303,
  )
}

export const actRoutes: readonly Mounted<TenantRequest>[] = [
  { path: '/tenant/revoke', page: (request) => revokePage(request), form: revokeNow },
  { path: '/tenant/lock', page: (request) => lockPage(request), form: lockNow },
  { path: '/tenant/locks/lift', page: (request) => liftPage(request), form: liftNow },
]

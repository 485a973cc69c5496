import type { LoggedRevocation, RevocationPreview, Session } from '../../../db/types.ts'
import { firstUsers, previewed, revokeTarget } from '../acts/revocations.ts'
import { sessionIn, userIn } from '../acts/scope.ts'
import { HiddenFields, Notice } from '../../pages/components.tsx'
import type { Selector } from '../../protocol/revocation.ts'
import { decodeSelector, encodeSelector } from '../../protocol/selector.ts'
import { ask } from '../contract/ask.ts'
import { actAt, type Submission, confirmed, typedFor } from './confirm.tsx'
import { consolePage, nothingHere, Panel, revocationLink } from './layout.tsx'
import { covered, everywhere, onlyAt, whoIs } from './format.ts'
import { END_SESSION, EVERYONE, EVERYONE_OF_TENANT, EVERYONE_THERE } from './texts/acts.ts'
import { listOf } from './list.tsx'
import { numberIn, numberText } from './pages.tsx'
import {
  clientLink,
  type ConsoleRequest,
  isOperator,
  type Mounted,
  pageLink,
  sessionLink,
  userLink,
} from './request.ts'
import { CONSOLE } from './registration.ts'
import { sessionFacts } from './sessions.tsx'
import { pickedIn } from './users.tsx'
import { GONE, howMany, REVOKE } from './texts/revoke.ts'

/**
 * Revocation by administrators: a dry run that says how much ends, then the revocation, one for
 * each of several users. The dry run has an address of its own, so that the browser's Back button
 * loads it again. After the revocation that page shows its result instead of the form. The address
 * holds ids only, never the case or the comment.
 */

const KINDS = ['session', 'grant', 'subject', 'client', 'tenant', 'everything', 'users'] as const

/** The selection that a query or a form names. */
interface Draft {
  kind: (typeof KINDS)[number]
  value: string
  client: string
  /** The subs of the picked users, for the kind `users`. */
  users: string[]
}

function readDraft(source: URLSearchParams): Draft {
  const text = (name: string): string => (source.get(name) ?? '').trim().slice(0, 200)
  return {
    kind: KINDS.find((kind) => kind === source.get('kind')) ?? 'session',
    value: text('value'),
    client: text('client'),
    users: pickedIn(source),
  }
}

/** Returns the selectors to revoke, or the page that says why they cannot be revoked. */
async function wantedBy(request: ConsoleRequest, draft: Draft): Promise<Selector[] | Response> {
  const { deps, viewer, now } = request
  const { kind, value, client } = draft
  const { actor } = viewer.caller
  if (actor.tid !== undefined) {
    const isTheirs =
      (kind === 'subject' && (await userIn(deps, actor, value)) !== undefined) ||
      (kind === 'session' && (await sessionIn(deps, actor, value, now)) !== undefined)
    if (!isTheirs) return nothingHere(request, GONE, '/sessions')
  } else if (kind === 'users') {
    const users = await firstUsers(deps, draft.users)
    return users.length === 0
      ? nothingHere(request, REVOKE.pick, '/users', 422)
      : users.map(({ sub }) => ({ kind: 'subject', sub }))
  }
  const clientId = deps.clients.find(client)?.clientId
  const selector =
    value === '' && ['session', 'grant', 'subject', 'tenant'].includes(kind)
      ? undefined
      : decodeSelector({ kind, sid: value, sub: value, tid: value, client_id: clientId })
  return selector === undefined ? nothingHere(request, GONE, '/sessions') : [selector]
}

/**
 * Returns the `seq` of the viewer's own revocation of this selector since the page was opened, if
 * there is one. The audit log knows it.
 */
async function carriedOut(
  { deps, viewer }: ConsoleRequest,
  selector: Selector,
  seen: number,
): Promise<number | undefined> {
  const entries = await deps.store.listAudit({
    after: seen,
    act: 'revoke',
    target: revokeTarget(selector),
    actorId: viewer.caller.actor.id,
    limit: 5,
  })
  const seq = entries.find(
    ({ ended }) => ended?.outcome === 'done' && ended.result.seq !== undefined,
  )?.ended?.result.seq
  return typeof seq === 'number' ? seq : undefined
}

/**
 * Revokes one selector after the other, each with its audit entry. A form that is sent again
 * revokes only what is left.
 */
async function revokeWanted(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const { deps, viewer } = request
  const { source, sent } = submission
  const seen = numberIn(request, source.get('seen') ?? '')
  if (seen === undefined && sent === undefined) return withSeen(request, source)
  const draft = readDraft(source)
  const selectors = await wantedBy(request, draft)
  if (selectors instanceof Response) return selectors
  const before = await Promise.all(
    selectors.map((selector) => carriedOut(request, selector, seen ?? Number.MAX_SAFE_INTEGER)),
  )
  const done = before.filter((candidate) => candidate !== undefined)
  if (done.length === selectors.length)
    return sent === undefined ? donePage(request, done) : resultOf(request, draft, done, 'before')
  const { kind, value, client, users } = draft
  return confirmed(request, submission, {
    title: isOperator(request) ? REVOKE.check : REVOKE.checkOfTenant,
    at: AT[kind],
    action: '/revoke',
    fields: { kind, value, client, seen: source.get('seen') ?? '' },
    typed:
      selectors.length > 1
        ? { word: String(selectors.length), meaning: REVOKE.number }
        : await typedFor(deps, selectors[0]),
    button: await actName(request, selectors),
    back: await backOf(request, draft),
    show: async () => ({
      ...(await preview(request, selectors)),
      more: users.map((user) => <HiddenFields fields={{ user }} />),
    }),
    async carryOut(caseAndComment) {
      const seqs: number[] = []
      for (const [index, selector] of selectors.entries()) {
        let seq = before[index]
        if (seq === undefined) {
          const members = { selector: encodeSelector(selector), ...caseAndComment }
          const answer = await ask(request, viewer.caller, 'POST /revocations', members)
          if (answer.outcome === 'revoked') ({ seq } = answer)
        }
        if (seq !== undefined) seqs.push(seq)
      }
      return resultOf(request, draft, seqs, 'yes')
    },
  })
}

/**
 * Opens the page with the audit log's newest number in its address, so that it finds what was
 * revoked since.
 */
async function withSeen(request: ConsoleRequest, source: URLSearchParams): Promise<Response> {
  const { number } = await request.deps.store.chainHead('audit')
  source.set('seen', numberText(request, number))
  return request.c.redirect(`${pageLink(request, '/revoke')}?${source.toString()}`, 303)
}

/** The section of the console to which a revocation belongs. */
const AT = {
  session: '/users',
  grant: '/users',
  subject: '/users',
  users: '/users',
  everything: '/users',
  client: '/clients',
  tenant: '/tenants',
} as const

/** Returns the name of the act, which the link to this page has too. */
async function actName({ deps }: ConsoleRequest, selectors: readonly Selector[]): Promise<string> {
  const [only] = selectors
  if (only === undefined || selectors.length > 1) return REVOKE.these(selectors.length)
  switch (only.kind) {
    case 'session':
      return END_SESSION
    case 'grant':
      return onlyAt(deps, only.clientId)
    case 'subject':
      return everywhere((await deps.store.findSubject(only.sub)) ?? {})
    case 'client':
      return EVERYONE_THERE
    case 'tenant':
      return EVERYONE_OF_TENANT
    case 'everything':
      return EVERYONE
  }
}

/** Returns the link to the page of what would be signed out. */
async function backOf(request: ConsoleRequest, { kind, value, client, users }: Draft) {
  if (kind === 'users') return { href: `/ops/users?${userQuery(users)}`, label: REVOKE.change }
  if (kind === 'subject') return { href: userLink(request, value) }
  if (kind === 'client') return { href: clientLink(client) }
  const found = await sessionOf(request, value)
  return {
    href:
      found === undefined
        ? pageLink(request, AT[kind])
        : sessionLink(request, found.sub, found.sid),
  }
}

async function sessionOf({ deps, now }: ConsoleRequest, sid: string): Promise<Session | undefined> {
  const found = await deps.store.statusBySid(sid, now)
  return found.state === 'unknown' ? undefined : found.session
}

const userQuery = (subs: readonly string[]): string =>
  new URLSearchParams(subs.map((sub): [string, string] => ['user', sub])).toString()

/** Returns what the revocation would end, and of whom. */
async function preview(request: ConsoleRequest, selectors: readonly Selector[]) {
  const { deps, now } = request
  const [only] = selectors.length === 1 ? selectors : []
  const subjects = selectors.filter((selector) => selector.kind === 'subject')
  const isOfInstance = only?.kind === 'client' || only?.kind === 'grant'
  const session =
    only !== undefined && 'sid' in only ? await sessionOf(request, only.sid) : undefined
  const end =
    only === undefined
      ? await deps.store.previewRevocation(subjects, now)
      : await previewed(deps, only, now)
  const shown = await firstUsers(
    deps,
    only === undefined ? subjects.map(({ sub }) => sub) : end.firstSubjects,
  )
  return {
    facts: [
      [
        'What',
        only === undefined ? REVOKE.everythingOf(selectors.length) : await covered(deps, only),
      ],
      ...(session === undefined ? [] : await sessionFacts(request, session)),
      [isOfInstance ? REVOKE.wouldBeOut : REVOKE.wouldEnd, howMany(end, isOperator(request))],
      [
        only !== undefined && end.subjects > shown.length ? REVOKE.first : 'Users',
        shown.map((user) => (
          <div>
            <a href={userLink(request, user.sub)}>{whoIs({ user })}</a>
          </div>
        )),
      ],
    ] as const,
    after: (
      <>
        {selectors.some((selector) => endsOwn(request, selector)) ? (
          <Notice kind="warn" title={REVOKE.you} />
        ) : null}
        {isOfInstance ? <Notice title={REVOKE.sessionsGoOn} /> : null}
        <Warnings request={request} end={end} />
      </>
    ),
  }
}

/** Returns whether a revocation signs the viewer out of the console. */
function endsOwn({ viewer: { session } }: ConsoleRequest, selector: Selector): boolean {
  if (selector.kind === 'everything') return true
  if (selector.kind === 'tenant') return selector.tid === session.user.tid
  if (selector.kind === 'subject') return selector.sub === session.sub
  if (selector.kind === 'session') return selector.sid === session.sid
  return (
    selector.clientId === CONSOLE && (selector.kind === 'client' || selector.sid === session.sid)
  )
}

/**
 * Warnings about the effect. The second one is for operators only: a revocation by a tenant's
 * administrator demands no fresh sign-in.
 */
const Warnings = ({ request, end }: { request: ConsoleRequest; end: RevocationPreview }) => (
  <>
    {end.sessions === 0 ? <Notice title={REVOKE.noSession} /> : null}
    {end.withoutFreshSignIn === 0 || !isOperator(request) ? null : (
      <Notice kind="warn" title={REVOKE.withoutPassword(end.withoutFreshSignIn)}>
        {REVOKE.noAuthTime}
      </Notice>
    )}
  </>
)

/**
 * Answers a form: the page of the revocation, or those of several. The administrator of a tenant
 * returns to the user.
 */
async function resultOf(
  request: ConsoleRequest,
  { kind, value }: Draft,
  done: readonly number[],
  key: 'yes' | 'before',
): Promise<Response> {
  const [seq] = done
  if (seq === undefined) return nothingHere(request, REVOKE.ended, '/revocations', 422)
  if (done.length > 1) return donePage(request, done)
  if (isOperator(request))
    return request.c.redirect(pageLink(request, `/revocations/${seq}`, { done: key }), 303)
  const sub = kind === 'subject' ? value : (await sessionOf(request, value))?.sub
  const result = { done: key }
  return request.c.redirect(
    sub === undefined ? pageLink(request, '/revocations', result) : userLink(request, sub, result),
    303,
  )
}

/** The result page. Back leads to it too, so that nothing is revoked twice. */
async function donePage(request: ConsoleRequest, done: readonly number[]): Promise<Response> {
  const { deps } = request
  const found = await Promise.all(done.map((seq) => deps.store.findRevocation(seq)))
  const list = await listOf<LoggedRevocation>(request, {
    label: 'Revocations',
    columns: [
      isOperator(request) && ['Revocation', ({ seq }) => revocationLink(seq)],
      ['What', ({ selector }) => covered(deps, selector)],
    ],
    entries: found.filter((revocation) => revocation !== undefined),
    none: '',
  })
  return consolePage(
    request,
    { title: REVOKE.done, at: '/revocations' },
    <Panel class="narrow">
      <p>{REVOKE.nothingMore}</p>
      {list}
      <a href={pageLink(request, '/revocations')}>All revocations</a>
    </Panel>,
  )
}

export const revokeRoutes: readonly Mounted[] = [
  actAt('/revoke', revokeWanted, { at: '/sessions', tenant: true }),
]

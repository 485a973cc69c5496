import type { Child } from 'hono/jsx'
import type { RevocationPreview, Subject } from '../../../db/types.ts'
import { firstUsers, previewed, revokeAs, revokeTarget } from '../acts/revocations.ts'
import { tenantName } from '../acts/names.ts'
import { sessionIn, userIn } from '../acts/scope.ts'
import { Problem } from '../../clients/problem.ts'
import { Notice } from '../../pages/components.tsx'
import type { Selector } from '../../protocol/revocation.ts'
import { decodeSelector } from '../../protocol/selector.ts'
import { caseAndCommentIn, confirmPage, problemOf } from './confirm.tsx'
import { consolePage, Panel, Table, nothingHere } from './layout.tsx'
import { covered, howMany, plural, REASON, whoIs } from './format.ts'
import { numberIn, numberText } from './pages.tsx'
import { PickedFields, pickedIn, revokePage } from './pick-users.tsx'
import { type ConsoleRequest, type Mounted, pageLink, queried, tidOf, userLink } from './request.ts'

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

/** Reads the selection. The field `of` of the form holds the kind and the id in one text. */
function readDraft(source: URLSearchParams): Draft {
  const text = (name: string): string => (source.get(name) ?? '').trim().slice(0, 200)
  const [kind, id = ''] = (source.get('kind') ?? text('of')).split(' ')
  return {
    kind: KINDS.find((one) => one === kind) ?? 'session',
    value: text('value') || id,
    client: text('client') || id,
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
      ? revokePage(request, 'Tick at least one user.')
      : users.map(({ sub }) => ({ kind: 'subject', sub }))
  }
  const clientId = deps.clients.find(client)?.clientId
  const selector =
    value === '' && ['session', 'grant', 'subject', 'tenant'].includes(kind)
      ? undefined
      : decodeSelector({ kind, sid: value, sub: value, tid: value, client_id: clientId })
  return selector === undefined ? unknown(request, draft) : [selector]
}

const GONE = 'There is no such user or session here. Nothing was changed.'

/** Returns the word to type before many users are signed out, or undefined if it is one user. */
async function typedFor(
  deps: ConsoleRequest['deps'],
  selectors: readonly Selector[],
): Promise<{ word: string; meaning?: string } | undefined> {
  const [only] = selectors
  if (selectors.length > 1)
    return { word: String(selectors.length), meaning: ', the number of users,' }
  if (only?.kind === 'client') return { word: only.clientId }
  if (only?.kind === 'tenant') return { word: await tenantName(deps, only.tid) }
  return only?.kind === 'everything' ? { word: 'everything' } : undefined
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

const numbersOf = (request: ConsoleRequest, selectors: readonly Selector[], seen: number) =>
  Promise.all(selectors.map((one) => carriedOut(request, one, seen)))

async function checkPage(request: ConsoleRequest): Promise<Response> {
  const source = queried(request)
  const seen = numberIn(request, source.get('seen') ?? '')
  if (seen !== undefined) return check(request, source, seen)
  // The address holds the audit log's newest number, so that the page finds what was revoked since.
  const { number } = await request.deps.store.chainHead('audit')
  source.set('seen', numberText(request, number))
  return request.c.redirect(`${pageLink(request, '/revoke/check')}?${source.toString()}`, 303)
}

/**
 * Shows what the revocation would end. With `problem` it shows a rejected form again, and why it
 * was rejected.
 */
async function check(
  request: ConsoleRequest,
  source: URLSearchParams,
  seen: number,
  problem?: string,
): Promise<Response> {
  const { deps, now } = request
  const draft = readDraft(source)
  const selectors = await wantedBy(request, draft)
  if (selectors instanceof Response) return selectors
  const before = await numbersOf(request, selectors, seen)
  const done = before.filter((one) => one !== undefined)
  if (done.length === selectors.length) return donePage(request, done)
  const [only] = selectors.length === 1 ? selectors : []
  try {
    const end =
      only === undefined
        ? await deps.store.previewRevocation(
            selectors.filter((one) => one.kind === 'subject'),
            now,
          )
        : await previewed(deps, only, now)
    const first = await firstUsers(deps, end.firstSubjects)
    const { kind, value, client, users } = draft
    return confirmPage(request, {
      title: 'Check before you revoke',
      at: '/revoke',
      source,
      problem,
      facts: [
        [
          'What',
          only === undefined
            ? `Everything of ${plural(selectors.length, 'user')}`
            : await covered(deps, only),
        ],
        ['Would end', howMany(tidOf(request) === undefined ? end : { ...end, otherSubjects: [] })],
        ...(only === undefined
          ? []
          : [
              [
                end.subjects > first.length ? 'The first users' : 'Users',
                first.length === 0 ? '' : first.map((user) => <div>{whoIs({ user })}</div>),
              ] as const,
            ]),
        ['Reason', REASON.administrator],
      ],
      after:
        only === undefined ? (
          await usersTable(request, selectors, before)
        ) : (
          <Warnings request={request} end={end} />
        ),
      action: '/revoke',
      fields: { kind, value, client, seen: numberText(request, seen) },
      more: <PickedFields subs={users} />,
      typed: await typedFor(deps, selectors),
      button: 'Revoke now',
      back:
        kind === 'users'
          ? { href: `/ops/revoke?${userQuery(users)}`, label: 'Change' }
          : {
              href: kind === 'subject' ? userLink(request, value) : pageLink(request, '/sessions'),
            },
    })
  } catch (error) {
    if (error instanceof Problem) return unknown(request, draft)
    throw error
  }
}

const userQuery = (subs: readonly string[]): string =>
  new URLSearchParams(subs.map((sub): [string, string] => ['user', sub])).toString()

/**
 * The page for an id that does not exist. It has its own words, because the API's words name
 * addresses of the API.
 */
const unknown = (request: ConsoleRequest, { value, client }: Draft): Promise<Response> | Response =>
  tidOf(request) === undefined
    ? revokePage(
        request,
        `Nothing here has the ID ${value || client || 'that was chosen'}. Search for it in the box above.`,
      )
    : nothingHere(request, GONE, '/sessions')

/**
 * A table of the picked users, with the revocations that were carried out since the page was
 * opened.
 */
async function usersTable(
  request: ConsoleRequest,
  selectors: readonly Selector[],
  before: readonly (number | undefined)[],
): Promise<Child> {
  const { deps, now } = request
  const rows = selectors.map(async (one, index) => {
    const [{ sessions, clients }, user] = await Promise.all([
      deps.store.previewRevocation(one, now),
      one.kind === 'subject' ? deps.store.findSubject(one.sub) : undefined,
    ])
    const seq = before[index]
    return [
      userCell(request, user),
      sessions,
      clients,
      seq === undefined ? '' : <a href={`/ops/revocations/${seq}`}>{seq}</a>,
    ]
  })
  const isBegun = before.some((seq) => seq !== undefined)
  return (
    <Table
      label="Users"
      head={[
        'User',
        { name: 'Sessions', end: true },
        { name: 'Instances', end: true },
        ...(isBegun ? ['Revocation'] : []),
      ]}
      rows={(await Promise.all(rows)).map((row) => (isBegun ? row : row.slice(0, 3)))}
      none=""
    />
  )
}
const userCell = (request: ConsoleRequest, user: Subject | undefined): Child =>
  user === undefined ? '' : <a href={userLink(request, user.sub)}>{whoIs({ user })}</a>

/**
 * Warnings about the effect. The second one is for operators only: a revocation by a tenant's
 * administrator demands no fresh sign-in.
 */
const Warnings = ({ request, end }: { request: ConsoleRequest; end: RevocationPreview }) => (
  <>
    {end.sessions === 0 ? (
      <Notice title="No user has a session that it covers. It still revokes the codes and tokens that it covers." />
    ) : null}
    {end.withoutFreshSignIn === 0 || tidOf(request) !== undefined ? null : (
      <Notice
        kind="warn"
        title={`${end.withoutFreshSignIn} of these users can sign in again without entering their password.`}
      >
        Their tenant has never sent auth_time, so the broker cannot demand a fresh sign-in.
      </Notice>
    )}
  </>
)

/**
 * Revokes one selector after the other, each with its audit entry. A form that is sent again
 * revokes only what is left.
 */
async function revokeNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, viewer, now } = request
  const draft = readDraft(form)
  const selectors = await wantedBy(request, draft)
  if (selectors instanceof Response) return selectors
  const seen = numberIn(request, form.get('seen') ?? '') ?? Number.MAX_SAFE_INTEGER
  const before = await numbersOf(request, selectors, seen)
  const isLeft = before.includes(undefined)
  const typed = await typedFor(deps, selectors)
  const problem = isLeft ? problemOf(request, form, { typed }) : undefined
  if (problem !== undefined) return check(request, form, seen, problem)
  const done: number[] = []
  try {
    for (const [index, selector] of selectors.entries()) {
      const answer =
        before[index] === undefined
          ? await revokeAs(deps, viewer.caller, selector, { ...caseAndCommentIn(form), now })
          : undefined
      const seq = answer?.outcome === 'revoked' ? answer.committed.revocation.seq : before[index]
      if (seq !== undefined) done.push(seq)
    }
  } catch (error) {
    if (error instanceof Problem) return unknown(request, draft)
    throw error
  }
  const [seq] = done
  if (seq === undefined)
    return nothingHere(request, 'It had already ended. Nothing was revoked.', '/revocations', 422)
  if (done.length > 1) return donePage(request, done)
  const page = tidOf(request) === undefined ? `/revocations/${seq}` : '/revocations'
  return c.redirect(pageLink(request, page, { done: isLeft ? 'yes' : 'before' }), 303)
}

/** The result page. Back leads to it too, so that nothing is revoked twice. */
async function donePage(request: ConsoleRequest, done: readonly number[]): Promise<Response> {
  const { deps } = request
  const found = await Promise.all(done.map((seq) => deps.store.findRevocation(seq)))
  const rows = found
    .filter((one) => one !== undefined)
    .map(async ({ seq, selector }) => [
      tidOf(request) === undefined ? <a href={`/ops/revocations/${seq}`}>{seq}</a> : '',
      await covered(deps, selector),
    ])
  return consolePage(
    request,
    { title: 'This was revoked', at: '/revoke' },
    <Panel class="narrow">
      <p>You have revoked this. Nothing more is sent from here.</p>
      <Table
        label="Revocations"
        head={['Revocation', 'What']}
        rows={await Promise.all(rows)}
        none=""
      />
      <a href={pageLink(request, '/revocations')}>All revocations</a>
    </Panel>,
  )
}

export const revokeRoutes: readonly Mounted[] = [
  { path: '/revoke', need: 'administer', page: (request) => revokePage(request) },
  { path: '/revoke', need: 'administer', tenant: true, form: revokeNow },
  { path: '/revoke/check', need: 'administer', tenant: true, page: checkPage },
]

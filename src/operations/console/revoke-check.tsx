import { firstUsers, previewed, revokeAs, revokeTarget } from '../acts/revocations.ts'
import { Problem } from '../../clients/problem.ts'
import { readAsset } from '../../pages/assets.ts'
import { LinkButton, Notice } from '../../pages/components.tsx'
import type { Selector } from '../../protocol/revocation.ts'
import { isFresh } from '../../clients/session/lifetimes.ts'
import {
  CaseAndCommentFields,
  Confirm,
  NOT_FRESH,
  notTyped,
  SignInAgain,
  TypedWord,
} from './confirm.tsx'
import {
  consolePage,
  Hidden,
  isAdministrator,
  Panel,
  type ConsoleRequest,
  nothingHere,
  type Mounted,
} from './layout.tsx'
import { covered, REASON, whoIs } from './format.ts'
import { howMany } from './revocations.tsx'
import { notAllowed, queried, revokePage } from './revoke.tsx'
import { type Draft, readDraft, typedFor, type Wanted, wantedOf } from './revoke-wanted.ts'
import { linkOf } from './links.ts'

/**
 * Revoking: a dry run that says how many, and the deed. For administrators with a fresh sign-in; to
 * sign out many users they must type what they revoke. Nothing that was filled in is lost by
 * signing in again: that happens in another tab. The dry run has an address of its own, so that the
 * browser's Back loads it again: once its revocation was carried out it says so, and its form is
 * gone.
 */

const AGAIN = readAsset(import.meta.url, './again.js')

/** The dry run. Its address holds ids only: an operator's words do not belong in one. */
async function checkPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const draft = readDraft(queried(request))
  const read = wantedOf(deps, draft)
  if ('problems' in read) return revokePage(request, draft, read.problems)
  const seen = seenIn(queried(request))
  // The address says how far the audit log had come, so that it knows later what was done since.
  if (seen === undefined)
    return c.redirect(checkLink(draft, (await deps.store.chainHead('audit')).number), 303)
  const done = await carriedOut(request, read.wanted.selector, seen)
  if (done !== undefined) return donePage(request, done)
  try {
    return await confirmPage(request, draft, read.wanted, { seen })
  } catch (error) {
    if (error instanceof Problem) return revokePage(request, draft, [unknown(draft)])
    throw error
  }
}

export const seenIn = (source: URLSearchParams): number | undefined => {
  const seen = source.get('seen') ?? ''
  return /^\d{1,15}$/.test(seen) ? Number(seen) : undefined
}

/** This operator's own revocation of the same since the page was opened, by the audit log. */
export async function carriedOut(
  { deps, operator }: ConsoleRequest,
  selector: Selector,
  seen: number,
): Promise<number | undefined> {
  const entries = await deps.store.listAudit({
    after: seen,
    act: 'revoke',
    target: revokeTarget(selector),
    actorId: operator.caller.actor.id,
    limit: 5,
  })
  const seq = entries.find(
    ({ ended }) => ended?.outcome === 'done' && ended.result.seq !== undefined,
  )?.ended?.result.seq
  return typeof seq === 'number' ? seq : undefined
}

/** What Back leads to after the deed. */
const donePage = (request: ConsoleRequest, seq: number): Response =>
  consolePage(
    request,
    { title: 'This was revoked', at: '/ops/revoke' },
    <Panel class="narrow">
      <p>
        You have revoked this: it is revocation {seq} in the log. Nothing more is sent from here.
      </p>
      <div class="row">
        <LinkButton href={`/ops/revocations/${seq}`}>Show revocation {seq}</LinkButton>
        <LinkButton kind="quiet" href="/ops/revoke">
          Revoke something else
        </LinkButton>
      </div>
    </Panel>,
  )

/** The form has no addresses of the API to send an operator to. */
const unknown = ({ value }: Draft): string =>
  `Nothing here has the ID ${value || 'that was chosen'}. Search the sessions to find it.`

interface Before {
  seen: number
  problem?: string
}

async function confirmPage(
  request: ConsoleRequest,
  draft: Draft,
  wanted: Wanted,
  { seen, problem }: Before,
): Promise<Response> {
  const { deps, now, operator } = request
  const { selector } = wanted
  const [end, what] = await Promise.all([previewed(deps, selector, now), covered(deps, selector)])
  const first = await firstUsers(deps, end.firstSubjects)
  const typed = typedFor(selector)
  return consolePage(
    request,
    {
      title: 'Check before you revoke',
      at: '/ops/revoke',
      status: problem === undefined ? 200 : 422,
      script: AGAIN,
    },
    <Confirm
      problem={problem}
      facts={[
        ['What', what],
        ['Would end', howMany(end)],
        [
          end.subjects > first.length ? 'The first users' : 'Users',
          first.length === 0 ? '' : first.map((user) => <div>{whoIs({ user })}</div>),
        ],
        ['Reason', REASON.administrator],
      ]}
      after={
        <>
          <Warnings {...end} />
          {isFresh(operator.session, now) ? null : <SignInAgain what="Revoking" />}
        </>
      }
      action="/ops/revoke"
      button="Revoke now"
      kind="danger"
      back={{ href: linkOf('/ops/revoke', idsOf(draft)), label: 'Change' }}
    >
      <Hidden request={request} fields={{ ...idsOf(draft), seen: String(seen) }} />
      <CaseAndCommentFields said={draft} />
      {typed === undefined ? null : <TypedWord word={typed} />}
    </Confirm>,
  )
}

const Warnings = ({
  sessions,
  withoutFreshSignIn,
}: {
  sessions: number
  withoutFreshSignIn: number
}) => (
  <>
    {sessions === 0 ? (
      <Notice title="No user has a session that it covers. It still revokes the codes and tokens that it covers." />
    ) : null}
    {withoutFreshSignIn === 0 ? null : (
      <Notice
        kind="warn"
        title={`${withoutFreshSignIn} of these users can sign in again without entering their password.`}
      >
        Their tenant has never sent auth_time, so the broker cannot demand a fresh sign-in.
      </Notice>
    )}
  </>
)

const idsOf = ({ kind, value, client }: Draft) => ({ kind, value, client })
const checkLink = (draft: Draft, seen: number): string =>
  linkOf('/ops/revoke/check', { ...idsOf(draft), seen: String(seen) })

async function revokeNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const draft = readDraft(form)
  const read = wantedOf(deps, draft)
  if ('problems' in read) return revokePage(request, draft, read.problems)
  const { selector, caseReference, comment } = read.wanted
  const seen = seenIn(form) ?? Number.MAX_SAFE_INTEGER
  const done = await carriedOut(request, selector, seen)
  if (done !== undefined) return c.redirect(`/ops/revocations/${done}?done=before`, 303)
  try {
    const problem = isFresh(operator.session, now) ? notTyped(form, typedFor(selector)) : NOT_FRESH
    if (problem !== undefined)
      return await confirmPage(request, draft, read.wanted, { seen, problem })
    const answer = await revokeAs(deps, operator.caller, selector, { now, caseReference, comment })
    if (answer.outcome === 'revoked')
      return c.redirect(`/ops/revocations/${answer.committed.revocation.seq}?done=yes`, 303)
    return nothingHere(
      request,
      'It had already ended. Nothing was revoked.',
      '/ops/revocations',
      422,
    )
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return revokePage(request, draft, [unknown(draft)])
  }
}

export const revokeRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/revoke', page: (request) => revokePage(request), form: revokeNow },
  { path: '/ops/revoke/check', page: checkPage },
]

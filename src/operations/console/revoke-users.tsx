import type { RevocationPreview, Subject } from '../../../db/types.ts'
import { firstUsers, revokeAs } from '../acts/revocations.ts'
import { readAsset } from '../../pages/assets.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { isFresh } from '../../clients/session/lifetimes.ts'
import { CaseAndCommentFields, NOT_FRESH, notTyped, SignInAgain, TypedWord } from './confirm.tsx'
import {
  consolePage,
  Hidden,
  isAdministrator,
  Panel,
  Table,
  type ConsoleRequest,
  type Mounted,
} from './layout.tsx'
import { covered, plural, REASON, whoIs } from './format.ts'
import { userLink } from './links.ts'
import { PickedFields, pickedIn, pickUsersPage } from './pick-users.tsx'
import { howMany } from './revocations.tsx'
import { carriedOut, seenIn } from './revoke-check.tsx'
import { notAllowed, queried } from './revoke.tsx'
import { type Draft, readDraft, caseAndCommentOf, wordsIn } from './revoke-wanted.ts'

/**
 * Revoking several users: a dry run that names them, and the deed, which is one revocation for each
 * user.
 */

const AGAIN = readAsset(import.meta.url, './again.js')
const NO_ONE = 'Tick at least one user.'

const linkOf = (
  path: string,
  subs: readonly string[],
  more: readonly [string, string][] = [],
): string =>
  `${path}?${new URLSearchParams([...subs.map((sub): [string, string] => ['user', sub]), ...more]).toString()}`

interface Asked {
  draft: Draft
  seen: number
  problem?: string | undefined
}

async function usersCheckPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const users = await firstUsers(deps, pickedIn(queried(request)))
  if (users.length === 0) return pickUsersPage(request, NO_ONE)
  const seen = seenIn(queried(request))
  if (seen !== undefined)
    return confirmPage(request, users, { draft: readDraft(new URLSearchParams()), seen })
  const { number } = await deps.store.chainHead('audit')
  const subs = users.map(({ sub }) => sub)
  return c.redirect(linkOf('/ops/revoke/users/check', subs, [['seen', String(number)]]), 303)
}

async function confirmPage(
  request: ConsoleRequest,
  users: readonly Subject[],
  { draft, seen, problem }: Asked,
): Promise<Response> {
  const { deps, now, operator } = request
  const selectors = users.map(({ sub }) => ({ kind: 'subject', sub }) as const)
  const [end, each, before] = await Promise.all([
    deps.store.previewRevocation(selectors, now),
    Promise.all(selectors.map((one) => deps.store.previewRevocation(one, now))),
    Promise.all(selectors.map((one) => carriedOut(request, one, seen))),
  ])
  const subs = users.map(({ sub }) => sub)
  return consolePage(
    request,
    {
      title: 'Check before you revoke',
      at: '/ops/revoke',
      status: problem === undefined ? 200 : 422,
      script: AGAIN,
    },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      <Facts
        items={[
          ['What', `Everything of ${plural(users.length, 'user')}`],
          ['Would end', howMany(end)],
          ['Reason', REASON.administrator],
        ]}
      />
      <Users users={users} each={each} before={before} />
      {before.every((seq) => seq !== undefined) ? (
        <LinkButton href="/ops/revoke/users">Pick other users</LinkButton>
      ) : (
        <>
          {isFresh(operator.session, now) ? null : <SignInAgain what="Revoking" />}
          <ConfirmForm request={request} subs={subs} draft={draft} seen={seen} />
        </>
      )}
    </Panel>,
  )
}

interface UsersProps {
  users: readonly Subject[]
  each: readonly RevocationPreview[]
  /** The revocation of each that this operator carried out since the page was opened. */
  before: readonly (number | undefined)[]
}
function Users({ users, each, before }: UsersProps) {
  const isBegun = before.some((seq) => seq !== undefined)
  const revocation = (index: number) =>
    before[index] === undefined ? (
      ''
    ) : (
      <a href={`/ops/revocations/${before[index]}`}>{before[index]}</a>
    )
  return (
    <Table
      label="Users"
      head={[
        'User',
        { name: 'Sessions', end: true },
        { name: 'Instances', end: true },
        ...(isBegun ? ['Revocation'] : []),
      ]}
      rows={users.map((user, index) => [
        <a href={userLink(user.sub)}>{whoIs({ user })}</a>,
        each[index]?.sessions ?? 0,
        each[index]?.clients ?? 0,
        ...(isBegun ? [revocation(index)] : []),
      ])}
      none=""
    />
  )
}

function ConfirmForm({
  request,
  subs,
  draft,
  seen,
}: {
  request: ConsoleRequest
  subs: readonly string[]
  draft: Draft
  seen: number
}) {
  return (
    <form class="stack" method="post" action="/ops/revoke/users">
      <Hidden request={request} fields={{ seen: String(seen) }} />
      <PickedFields subs={subs} />
      <CaseAndCommentFields said={draft} />
      {subs.length === 1 ? null : (
        <TypedWord word={String(subs.length)} meaning=", the number of users," />
      )}
      <div class="row">
        <Button kind="danger">Revoke now</Button>
        <LinkButton kind="quiet" href={linkOf('/ops/revoke/users', subs)}>
          Change
        </LinkButton>
      </div>
    </form>
  )
}

/**
 * One revocation a user, each with its audit entry. A form that is sent again does what is left.
 */
async function revokeUsersNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, operator, now } = request
  if (!isAdministrator(request)) return notAllowed(request)
  const users = await firstUsers(deps, pickedIn(form))
  if (users.length === 0) return pickUsersPage(request, NO_ONE)
  const [draft, seen] = [readDraft(form), seenIn(form) ?? Number.MAX_SAFE_INTEGER]
  const word = users.length === 1 ? undefined : String(users.length)
  const problem = isFresh(operator.session, now)
    ? (notTyped(form, word) ?? wordsIn(draft)[0])
    : NOT_FRESH
  if (problem !== undefined) return confirmPage(request, users, { draft, seen, problem })
  const said = { ...caseAndCommentOf(draft), now }
  const done: number[] = []
  for (const { sub } of users) {
    const selector = { kind: 'subject', sub } as const
    const before = await carriedOut(request, selector, seen)
    const answer =
      before === undefined ? await revokeAs(deps, operator.caller, selector, said) : undefined
    const seq = answer?.outcome === 'revoked' ? answer.committed.revocation.seq : before
    if (seq !== undefined) done.push(seq)
  }
  return donePage(request, done)
}

async function donePage(request: ConsoleRequest, done: readonly number[]): Promise<Response> {
  const { deps } = request
  const found = (await Promise.all(done.map((seq) => deps.store.findRevocation(seq)))).filter(
    (one) => one !== undefined,
  )
  const rows = await Promise.all(
    found.map(async ({ seq, selector }) => [
      <a href={`/ops/revocations/${seq}`}>{seq}</a>,
      await covered(deps, selector),
    ]),
  )
  return consolePage(
    request,
    { title: `${plural(rows.length, 'user')} revoked`, at: '/ops/revoke' },
    <Panel class="narrow">
      <Table
        label="Revocations"
        head={['Number', 'What']}
        rows={rows}
        none="The sessions of these users had already ended. Nothing was revoked."
      />
      <div class="row">
        <LinkButton kind="quiet" href="/ops/revoke">
          Revoke something else
        </LinkButton>
      </div>
    </Panel>,
  )
}

export const revokeUsersRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/revoke/users', page: (request) => pickUsersPage(request), form: revokeUsersNow },
  { path: '/ops/revoke/users/check', page: usersCheckPage },
]

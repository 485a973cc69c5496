import { lockAs, previewedLock } from '../acts/locks.ts'
import { Problem } from '../../clients/problem.ts'
import { Button, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { isGuid } from '../../protocol/guid.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { isFresh } from '../../clients/session/lifetimes.ts'
import {
  CaseAndCommentFields,
  caseAndCommentIn,
  Confirm,
  endOf,
  HOUR_CHOICES,
  NOT_FRESH,
  notTyped,
  SignInAgain,
  TypedWord,
  UNTIL_LIFTED,
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
import { clientLink, linkOf } from './links.ts'
import { targetWords } from './locks.tsx'
import { howMany } from './revocations.tsx'
import { queried } from './revoke.tsx'

/**
 * Locking a user or an instance: a dry run that says how many sessions end, and the lock. A form
 * chooses the user; the page of an instance leads to its dry run, and the administrator types the
 * id of the instance.
 */

interface Draft {
  user: string
  /** Empty for the lock of a user. */
  client: string
  hours: string
}

function readDraft(source: URLSearchParams): Draft {
  const client = (source.get('client') ?? '').slice(0, 200)
  return {
    user: (source.get('user') ?? '').trim(),
    client,
    hours: source.get('hours') ?? (client === '' ? '24' : ''),
  }
}

/** Until lifted, for administrators alone. */
const choices = (request: ConsoleRequest) => [
  ...HOUR_CHOICES,
  ...(isAdministrator(request) ? [UNTIL_LIFTED] : []),
]

/** Reads a client id, a sub, or tenant and object id with a space between. */
async function targetOf(
  { deps }: ConsoleRequest,
  { user, client }: Draft,
): Promise<LockTarget | undefined> {
  if (client !== '') return { kind: 'client', clientId: client }
  const [tid = '', oid = '', more] = user.toLowerCase().split(/\s+/)
  if (more === undefined && isGuid(tid) && isGuid(oid)) return { kind: 'user', tid, oid }
  const subject = user === '' || user.length > 200 ? undefined : await deps.store.findSubject(user)
  return subject && { kind: 'user', tid: subject.tid, oid: subject.oid }
}

const lockPage = (request: ConsoleRequest): Response =>
  formPage(request, readDraft(queried(request)))

function formPage(request: ConsoleRequest, draft: Draft, problem?: string): Response {
  return consolePage(
    request,
    { title: 'Lock a user', at: '/ops/locks', status: problem === undefined ? 200 : 422 },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      <form class="stack" method="get" action="/ops/lock/check">
        <TextField
          name="user"
          label="User"
          hint="The user’s id (sub), which begins with u_; the search for sessions fills it in. Or the tenant id and the object id, with a space between them."
          value={draft.user}
          maxlength={200}
          literal
          required
        />
        <SelectField
          name="hours"
          label="For how long?"
          options={choices(request)}
          chosen={draft.hours}
        />
        <div class="row">
          <Button>See what the lock ends</Button>
        </div>
        <p class="soft small">Nothing changes yet.</p>
      </form>
    </Panel>,
  )
}

const lockCheckPage = (request: ConsoleRequest): Promise<Response> =>
  confirmPage(request, readDraft(queried(request)))

async function confirmPage(
  request: ConsoleRequest,
  draft: Draft,
  { problem, said }: Before = {},
): Promise<Response> {
  const { deps, now, operator } = request
  const target = await targetOf(request, draft)
  if (target === undefined) return formPage(request, draft, UNKNOWN)
  if (!mayLock(request, draft)) return notAllowed(request)
  try {
    const { wouldEnd, open } = await previewedLock(deps, target, now)
    const until = endOf(draft.hours, now)
    return consolePage(
      request,
      {
        title: 'Check before you lock',
        at: '/ops/locks',
        status: problem === undefined ? 200 : 422,
      },
      <Confirm
        problem={problem}
        notices={
          open === undefined ? null : (
            <Notice kind="warn" title={`This ${named(draft)} is locked already.`} />
          )
        }
        facts={[
          ['What', await targetWords(request, target)],
          ['Ends now', howMany(wouldEnd)],
          [
            'Lifted',
            until === undefined ? 'by an administrator' : `by the broker, in ${draft.hours} h`,
          ],
        ]}
        after={
          <>
            {draft.client === '' ? null : (
              <p>While it is locked the instance gets no code and no token.</p>
            )}
            {isFresh(operator.session, now) ? null : <SignInAgain what="Locking" />}
          </>
        }
        action="/ops/lock"
        button="Lock now"
        kind="danger"
        back={
          draft.client === ''
            ? { href: linkOf('/ops/lock', { ...draft }), label: 'Change' }
            : { href: clientLink(draft.client) }
        }
      >
        <Hidden request={request} fields={{ ...draft }} />
        <CaseAndCommentFields said={said} />
        {draft.client === '' ? null : <TypedWord word={draft.client} />}
      </Confirm>,
    )
  } catch (error) {
    return rejected(request, draft, error)
  }
}

interface Before {
  problem?: string
  said?: ReturnType<typeof caseAndCommentIn>
}

const named = ({ client }: Draft): string => (client === '' ? 'user' : 'instance')

const mayLock = (request: ConsoleRequest, { client }: Draft): boolean =>
  client === '' || isAdministrator(request)
const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(
    request,
    'Locking an instance needs the app role Broker.Administrator.',
    '/ops/clients',
    403,
  )

const UNKNOWN =
  'No such user. Search the sessions to find the user, or enter the tenant id and the object id.'
const NO_CLIENT = 'No client of that ID is registered.'

/** The page has no addresses of the API to send an operator to. @throws what is not a Problem */
function rejected(request: ConsoleRequest, draft: Draft, error: unknown): Response {
  if (!(error instanceof Problem)) throw error
  const words = `${error.title}. ${error.message}`
  if (draft.client === '') return formPage(request, draft, error.status === 404 ? UNKNOWN : words)
  return nothingHere(request, error.status === 404 ? NO_CLIENT : words, '/ops/clients', 422)
}

async function lockNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  const draft = readDraft(form)
  const target = await targetOf(request, draft)
  if (target === undefined) return formPage(request, draft, UNKNOWN)
  if (!mayLock(request, draft)) return notAllowed(request)
  const said = caseAndCommentIn(form)
  const problem = isFresh(operator.session, now)
    ? notTyped(form, draft.client || undefined)
    : NOT_FRESH
  if (problem !== undefined) return confirmPage(request, draft, { problem, said })
  try {
    const { outcome } = await lockAs(deps, operator.caller, {
      target,
      endsAt: endOf(draft.hours, now),
      ...said,
      now,
    })
    return c.redirect(`/ops/locks?done=${draft.client === '' ? outcome : `client_${outcome}`}`, 303)
  } catch (error) {
    return rejected(request, draft, error)
  }
}

export const lockRoutes: readonly Mounted<ConsoleRequest>[] = [
  { path: '/ops/lock', need: 'operate', page: lockPage, form: lockNow },
  { path: '/ops/lock/check', need: 'operate', page: lockCheckPage },
]

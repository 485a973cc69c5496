import { lockAs, previewedLock } from '../acts/locks.ts'
import { Problem } from '../acts/problem.ts'
import { Button, Facts, HiddenFields, LinkButton, Notice } from '../page/components.tsx'
import { CSRF_FIELD } from '../page/csrf.ts'
import { SelectField, TextField } from '../page/fields.tsx'
import { isGuid } from '../protocol/guid.ts'
import type { LockTarget } from '../protocol/lock-target.ts'
import { isFresh } from '../session/fresh.ts'
import { desk, formToken, isAdministrator, Panel, type ConsoleRequest } from './desk.tsx'
import { NOT_FRESH, SignInAgain } from './fresh-sign-in.tsx'
import { endOf, HOUR_CHOICES, UNTIL_LIFTED } from './lock-hours.ts'
import { targetWords } from './locks.tsx'
import { howMany } from './revocations.tsx'
import { queried } from './revoke.tsx'
import { linkOf } from './links.ts'
import { SaidFields, saidIn } from './said.tsx'

/** Locking one user: a form, a dry run that says how many sessions end, and the deed. */

interface Draft {
  user: string
  hours: string
}

const readDraft = (source: URLSearchParams): Draft => ({ user: (source.get('user') ?? '').trim(), hours: source.get('hours') ?? '24' })

/** Until lifted, for administrators alone. */
const choices = (request: ConsoleRequest) => [...HOUR_CHOICES, ...(isAdministrator(request) ? [UNTIL_LIFTED] : [])]

/** A sub, or tenant and object id with a space between. */
async function targetOf({ deps }: ConsoleRequest, { user }: Draft): Promise<LockTarget | undefined> {
  const [tid = '', oid = '', more] = user.toLowerCase().split(/\s+/)
  if (more === undefined && isGuid(tid) && isGuid(oid)) return { kind: 'user', tid, oid }
  const subject = user === '' || user.length > 200 ? undefined : await deps.store.findSubject(user)
  return subject && { kind: 'user', tid: subject.tid, oid: subject.oid }
}

export const lockPage = (request: ConsoleRequest): Response => formPage(request, readDraft(queried(request)))

function formPage(request: ConsoleRequest, draft: Draft, problem?: string): Response {
  return desk(
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
        <SelectField name="hours" label="For how long?" options={choices(request)} chosen={draft.hours} />
        <div class="row">
          <Button>See what the lock ends</Button>
        </div>
        <p class="soft small">Nothing changes yet.</p>
      </form>
    </Panel>,
  )
}

export async function lockCheckPage(request: ConsoleRequest): Promise<Response> {
  return confirmPage(request, readDraft(queried(request)))
}

async function confirmPage(request: ConsoleRequest, draft: Draft, problem?: string): Promise<Response> {
  const { deps, now, operator } = request
  const target = await targetOf(request, draft)
  if (target === undefined) return formPage(request, draft, UNKNOWN)
  try {
    const { wouldEnd, open } = await previewedLock(deps, target, now)
    const until = endOf(draft.hours, now)
    return desk(
      request,
      { title: 'Check before you lock', at: '/ops/locks', status: problem === undefined ? 200 : 422 },
      <Panel class="narrow">
        {problem === undefined ? null : <Notice kind="bad" title={problem} />}
        {open === undefined ? null : <Notice kind="warn" title="This user is locked already." />}
        <Facts
          items={[
            ['User', await targetWords(request, target)],
            ['Ends now', howMany(wouldEnd)],
            ['Lifted', until === undefined ? 'by an administrator' : `by the broker, in ${draft.hours} h`],
          ]}
        />
        {isFresh(operator.session, now) ? null : <SignInAgain what="Locking" />}
        <form class="stack" method="post" action="/ops/lock">
          <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), ...draft }} />
          <SaidFields />
          <div class="row">
            <Button kind="danger">Lock now</Button>
            <LinkButton kind="quiet" href={linkOf('/ops/lock', { ...draft })}>
              Change
            </LinkButton>
          </div>
        </form>
      </Panel>,
    )
  } catch (error) {
    return formPage(request, draft, words(error))
  }
}

const UNKNOWN = 'No such user. Search the sessions to find the user, or enter the tenant id and the object id.'

/** The form has no addresses of the API to send an operator to. @throws what is not a Problem */
function words(error: unknown): string {
  if (!(error instanceof Problem)) throw error
  return error.status === 404 ? UNKNOWN : `${error.title}. ${error.message}`
}

export async function lockNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  const draft = readDraft(form)
  const target = await targetOf(request, draft)
  if (target === undefined) return formPage(request, draft, UNKNOWN)
  if (!isFresh(operator.session, now)) return confirmPage(request, draft, NOT_FRESH)
  try {
    const asked = { target, endsAt: endOf(draft.hours, now), ...saidIn(form), now }
    const { outcome } = await lockAs(deps, operator.caller, asked)
    return c.redirect(`/ops/locks?done=${outcome}`, 303)
  } catch (error) {
    return formPage(request, draft, words(error))
  }
}

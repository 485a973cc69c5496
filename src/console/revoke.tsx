import { Button, Choices, Facts, HiddenFields, LinkButton, Notice } from '../page/components.tsx'
import { CSRF_FIELD } from '../page/csrf.ts'
import { SelectField, TextField } from '../page/fields.tsx'
import { previewed, revokeAs } from '../acts/revocations.ts'
import { Problem } from '../acts/problem.ts'
import { desk, formToken, Panel, type ConsoleRequest } from './desk.tsx'
import { nothingHere } from './nothing.tsx'
import { FRESH_SECONDS, isFresh } from './pass.ts'
import { howMany } from './revocations.tsx'
import { type Draft, readDraft, typedFor, type Wanted, wantedOf } from './revoke-wanted.ts'
import { covered, instances, REASON } from './format.ts'

/**
 * Revoking, in three steps: what; a dry run that says how many; and the deed. Administrators alone, freshly signed in; whoever would sign out
 * many has to type what. Nothing that was filled in is lost by signing in again: that happens in another tab.
 */

const CHOICES = [
  { value: 'session', label: 'One session', hint: 'Everything in one browser. Its id (sid) begins with s_.' },
  { value: 'grant', label: 'One instance in one session', hint: 'Its id (sid), and the instance.' },
  { value: 'subject', label: 'One user', hint: 'Every session of theirs. Their id (sub) begins with u_.' },
  { value: 'client', label: 'One instance', hint: 'Everybody at it: choose the instance.' },
  { value: 'tenant', label: 'One Microsoft tenant', hint: 'Everybody of it. Its id is a GUID.' },
  { value: 'everything', label: 'Everybody, everywhere', hint: 'You too.' },
] as const

export function revokePage(
  request: ConsoleRequest,
  draft: Draft = readDraft(new URL(request.c.req.url).searchParams),
  problems: readonly string[] = [],
): Response {
  if (request.operator.caller.may !== 'administer') return notAllowed(request)
  return desk(
    request,
    { title: 'Revoke', at: '/ops/revoke', status: problems.length > 0 ? 422 : 200 },
    <Panel class="narrow">
      {problems.length === 0 ? null : (
        <Notice kind="bad" title="Nothing was done yet.">
          {problems.map((one) => (
            <p>{one}</p>
          ))}
        </Notice>
      )}
      <DraftForm request={request} draft={draft} />
    </Panel>,
  )
}

function DraftForm({ request, draft }: { request: ConsoleRequest; draft: Draft }) {
  return (
    <form class="stack" method="post" action="/ops/revoke/check">
      <HiddenFields fields={{ [CSRF_FIELD]: formToken(request) }} />
      <Choices legend="What is to end?" name="kind" options={CHOICES} chosen={draft.kind} />
      <TextField
        name="value"
        label="Its id"
        hint="Of the session, the user or the tenant. The search for sessions leads here with it filled in."
        value={draft.value}
        maxlength={200}
        literal
      />
      <SelectField name="client" label="Instance" options={[['', 'None'], ...instances(request)]} chosen={draft.client} />
      <TextField
        name="case_reference"
        label="Case reference"
        hint="Kept in the log and in the audit log."
        value={draft.caseReference}
        maxlength={200}
        literal
      />
      <TextField name="comment" label="Comment" lines={3} maxlength={2000} value={draft.comment} />
      <div class="row">
        <Button>See whom it would sign out</Button>
      </div>
      <p class="soft small">This does nothing yet.</p>
    </form>
  )
}

/** The dry run. */
export async function checkRevocation(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  if (request.operator.caller.may !== 'administer') return notAllowed(request)
  const draft = readDraft(form)
  const read = wantedOf(request.deps, draft)
  if ('problems' in read) return revokePage(request, draft, read.problems)
  try {
    return await confirmPage(request, draft, read.wanted)
  } catch (error) {
    if (error instanceof Problem) return revokePage(request, draft, [unknown(draft)])
    throw error
  }
}

/** The form has no addresses of the API to send an operator to. */
const unknown = ({ value }: Draft): string => `Nothing here has the ID ${value || 'that was chosen'}. Search the sessions to find it.`

async function confirmPage(request: ConsoleRequest, draft: Draft, wanted: Wanted, problem?: string): Promise<Response> {
  const { deps, now, operator } = request
  const { selector, caseReference, comment } = wanted
  const [end, what] = await Promise.all([previewed(deps, selector, now), covered(deps, selector)])
  const typed = typedFor(selector)
  return desk(
    request,
    { title: 'Check before you revoke', at: '/ops/revoke', status: problem === undefined ? 200 : 422 },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      <Facts
        items={[
          ['What', what],
          ['Would end', howMany(end)],
          ['Reason', REASON.administrator],
          ['Case', caseReference],
          ['Comment', comment],
        ]}
      />
      {end.sessions === 0 ? <Notice title="Nobody is signed in by it now. Codes and tokens that it covers end all the same." /> : null}
      {isFresh(operator.session, now) ? null : <SignInAgain />}
      <ConfirmForm request={request} draft={draft} typed={typed} />
    </Panel>,
  )
}

function ConfirmForm({ request, draft, typed }: { request: ConsoleRequest; draft: Draft; typed: string | undefined }) {
  return (
    <form class="stack" method="post" action="/ops/revoke">
      <HiddenFields fields={{ [CSRF_FIELD]: formToken(request), ...fieldsOf(draft) }} />
      {typed === undefined ? null : (
        <TextField
          name="typed"
          label={
            <>
              Type <code>{typed}</code> to sign them out
            </>
          }
          literal
          required
        />
      )}
      <div class="row">
        <Button kind="danger">Revoke now</Button>
        <LinkButton kind="quiet" href={backLink(draft)}>
          Change
        </LinkButton>
      </div>
    </form>
  )
}

const SignInAgain = () => (
  <Notice kind="warn" title={`Revoking needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes`}>
    <p>
      <a href="/ops/sign-in?fresh=yes&return_to=/ops/fresh" target="_blank" rel="noopener">
        Sign in again (in a new tab)
      </a>
      , then come back here and go on. What you filled in stays.
    </p>
  </Notice>
)

const fieldsOf = ({ kind, value, client, caseReference, comment }: Draft): Record<string, string> => ({
  kind,
  value,
  client,
  case_reference: caseReference,
  comment,
})
/** Ids only: an operator's words do not belong in an address. */
const backLink = ({ kind, value, client }: Draft): string => `/ops/revoke?${new URLSearchParams({ kind, value, client }).toString()}`

export async function revokeNow(request: ConsoleRequest, form: URLSearchParams): Promise<Response> {
  const { deps, c, operator, now } = request
  if (operator.caller.may !== 'administer') return notAllowed(request)
  const draft = readDraft(form)
  const read = wantedOf(deps, draft)
  if ('problems' in read) return revokePage(request, draft, read.problems)
  const { selector, caseReference, comment } = read.wanted
  if (!isFresh(operator.session, now)) return confirmPage(request, draft, read.wanted, 'Nothing was done yet: sign in again first.')
  const typed = typedFor(selector)
  if (typed !== undefined && form.get('typed')?.trim() !== typed)
    return confirmPage(request, draft, read.wanted, `Nothing was done: what was typed is not ${typed}.`)
  try {
    const answer = await revokeAs(deps, operator.caller, selector, { now, caseReference, comment })
    if (answer.outcome === 'revoked') return c.redirect(`/ops/revocations/${answer.committed.revocation.seq}?done=yes`, 303)
    return nothingHere(request, 'That had ended already. Nothing was revoked.', '/ops/revocations', 422)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    return revokePage(request, draft, [unknown(draft)])
  }
}

const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(request, 'Revoking needs the app role Broker.Administrator. Operators see everything here, and may try deliveries again.', '/ops', 403)

/** Where the other tab ends. */
export const freshPage = (request: ConsoleRequest): Response =>
  desk(
    request,
    { title: 'You are freshly signed in' },
    <Panel class="narrow">
      <p>Close this tab, go back to the one before and go on there. It holds for {FRESH_SECONDS / 60} minutes.</p>
      <div class="row">
        <LinkButton kind="quiet" href="/ops/revoke">
          Or begin anew here
        </LinkButton>
      </div>
    </Panel>,
  )

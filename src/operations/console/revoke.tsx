import { Button, Choices, LinkButton, Notice } from '../../pages/components.tsx'
import { SelectField, TextField } from '../../pages/fields.tsx'
import { FRESH_SECONDS } from '../../clients/session/lifetimes.ts'
import { consolePage, isAdministrator, Panel, type ConsoleRequest, nothingHere } from './layout.tsx'
import { instances } from './format.ts'
import { type Draft, readDraft } from './revoke-wanted.ts'

/**
 * What is to be revoked: a form that leads to the dry run (revoke-check.tsx), for administrators
 * alone.
 */

const CHOICES = [
  {
    value: 'session',
    label: 'One session',
    hint: 'Everything in one browser. Its id (sid) begins with s_.',
  },
  { value: 'grant', label: 'One instance in one session', hint: 'Its id (sid), and the instance.' },
  {
    value: 'subject',
    label: 'One user',
    hint: 'Every session of theirs. Their id (sub) begins with u_.',
  },
  { value: 'client', label: 'One instance', hint: 'Every user of it: choose the instance.' },
  { value: 'tenant', label: 'One Microsoft tenant', hint: 'Every user of it. Its id is a GUID.' },
  { value: 'everything', label: 'Every user, everywhere', hint: 'This includes you.' },
] as const

export const queried = ({ c }: ConsoleRequest): URLSearchParams => new URL(c.req.url).searchParams

export function revokePage(
  request: ConsoleRequest,
  draft: Draft = readDraft(queried(request)),
  problems: readonly string[] = [],
): Response {
  if (!isAdministrator(request)) return notAllowed(request)
  return consolePage(
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
      <p>
        <a href="/ops/revoke/users">Pick several users by name</a>
      </p>
      <DraftForm request={request} draft={draft} />
    </Panel>,
  )
}

function DraftForm({ request, draft }: { request: ConsoleRequest; draft: Draft }) {
  return (
    <form class="stack" method="get" action="/ops/revoke/check">
      <Choices
        legend="What do you want to revoke?"
        name="kind"
        options={CHOICES}
        chosen={draft.kind}
      />
      <TextField
        name="value"
        label="Its id"
        hint="Of the session, the user or the tenant. The search for sessions leads here with it filled in."
        value={draft.value}
        maxlength={200}
        literal
      />
      <SelectField
        name="client"
        label="Instance"
        options={[['', 'None'], ...instances(request)]}
        chosen={draft.client}
      />
      <div class="row">
        <Button>See whom it would sign out</Button>
      </div>
      <p class="soft small">Nothing changes yet.</p>
    </form>
  )
}

export const notAllowed = (request: ConsoleRequest): Response =>
  nothingHere(
    request,
    'Revoking needs the app role Broker.Administrator. Operators see everything here, and may redrive deliveries.',
    '/ops',
    403,
  )

/** Where the other tab ends. */
export const freshPage = (request: ConsoleRequest): Response =>
  consolePage(
    request,
    { title: 'You are freshly signed in' },
    <Panel class="narrow">
      <p>
        Close this tab, go back to the one before and go on there. It holds for {FRESH_SECONDS / 60}{' '}
        minutes.
      </p>
      <div class="row">
        <LinkButton kind="quiet" href="/ops/revoke">
          Or start again here
        </LinkButton>
      </div>
    </Panel>,
  )

import { disconnectTenant, isAnothers, tenantBefore } from '../../microsoft/tenants.ts'
import { ROLE } from '../../protocol/names.ts'
import { Administrators } from './administrators.tsx'
import { Answer, Button, Facts, LinkButton, Tick } from '../../pages/components.tsx'
import {
  signInAddress,
  Form,
  redirectTo,
  nameOf,
  operatorsBefore,
  withSetupAudit,
  setupPage,
  type SetupRequest,
} from './frame.tsx'
import { invitationAddress } from './invitation.tsx'
import { ReEntry } from './re-entry.tsx'
import { stepResultOf } from './returned.ts'
import { proofToAssert, type Seen } from './seen.ts'

/** The page of one tenant: consent, proof of MFA, and removal. */

export const when = (at: number | undefined): string | undefined =>
  at === undefined
    ? undefined
    : `${new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC`

export function tenantPage(request: SetupRequest, seen: Seen): Response {
  const { row } = seen
  const operators = request.deps.connection.current().operatorTenant === row.tid
  return setupPage(
    request,
    { title: nameOf(row), result: stepResultOf(request) },
    <>
      <Facts
        items={[
          ['Tenant id', row.tid],
          ['Connected', when(row.connectedAt)],
          [
            'Operators',
            operators ? 'Its app roles Broker.Operator and Broker.Administrator count.' : undefined,
          ],
        ]}
      />
      <Consent request={request} seen={seen} />
      <Proof request={request} seen={seen} />
      <ReEntry request={request} seen={seen} />
      {isAnothers(request.deps.connection.current(), row) ? (
        <Administrators request={request} seen={seen} />
      ) : null}
      {operators ? null : <MakeOperators request={request} seen={seen} />}
      {mayRemove(request, seen) ? <Remove request={request} seen={seen} /> : null}
    </>,
  )
}

function Consent({
  request,
  seen: { row, consentReturnedAt },
}: {
  request: SetupRequest
  seen: Seen
}) {
  const confirmed = row.consentConfirmedAt !== undefined
  return (
    <Answer question="Has the tenant consented?" is={confirmed ? 'yes' : 'unknown'}>
      {confirmed ? (
        <p class="soft">
          Confirmed by {row.consentConfirmedBy}, {when(row.consentConfirmedAt)}.
        </p>
      ) : consentReturnedAt === undefined ? (
        <p>
          A Global Administrator of this tenant (or a Privileged Role Administrator) allows Case
          Manager for every user. If that is not you, open this page together: the next two steps
          are theirs. Or send them the link below.
        </p>
      ) : (
        <p>
          Consent came back from Microsoft at {when(consentReturnedAt)}. An attacker could have sent
          that, so it counts only when an administrator of this tenant has signed in.
        </p>
      )}
      <div class="row">
        <LinkButton
          href={signInAddress(request, { kind: 'consent', tid: row.tid })}
          kind={confirmed || consentReturnedAt !== undefined ? 'quiet' : 'primary'}
        >
          Granting consent
        </LinkButton>
        {confirmed ? null : (
          <LinkButton
            href={signInAddress(request, { kind: 'trial', tid: row.tid })}
            kind={consentReturnedAt === undefined ? 'quiet' : 'primary'}
          >
            Confirm by signing in
          </LinkButton>
        )}
      </div>
      {confirmed ? null : <InvitationLink request={request} tid={row.tid} />}
    </Answer>
  )
}

const InvitationLink = ({ request, tid }: { request: SetupRequest; tid: string }) => (
  <details>
    <summary>A link for its administrator</summary>
    <div class="tight">
      <p class="soft">
        They open it in their own browser, consent, confirm it by signing in, and assert the proof
        of MFA. It is valid for a week.
      </p>
      <pre tabindex={0} role="region" aria-label="the link">
        <code>{invitationAddress(request.deps, tid, request.now)}</code>
      </pre>
    </div>
  </details>
)

function Proof({ request, seen }: { request: SetupRequest; seen: Seen }) {
  const { row, decided } = seen
  return (
    <Answer question="Is MFA proved?" is={decided ? 'yes' : 'no'}>
      {decided ? (
        <p class="soft">
          By <code>{row.mfaProof}</code>,{' '}
          {row.proofAssertedBy === undefined
            ? 'as the settings or a command said'
            : `asserted by ${row.proofAssertedBy}, ${when(row.proofAssertedAt) ?? ''}`}
          .
        </p>
      ) : (
        <p>Not chosen yet. Until then no user of this tenant can sign in.</p>
      )}
      {isAnothers(request.deps.connection.current(), row) ? (
        <TheirAssertion request={request} seen={seen} />
      ) : null}
      <div class="row">
        <LinkButton
          href={`/setup/tenants/${row.tid}/proof`}
          kind={decided || row.consentConfirmedAt === undefined ? 'quiet' : 'primary'}
        >
          Proof of MFA
        </LinkButton>
      </div>
    </Answer>
  )
}

function TheirAssertion({ request, seen }: { request: SetupRequest; seen: Seen }) {
  const proof = proofToAssert(seen)
  if (proof === undefined) return null
  return (
    <>
      <p>
        No administrator of this tenant has asserted <code>{proof}</code>. Only they can read its
        policies: send them the link.
      </p>
      <InvitationLink request={request} tid={seen.row.tid} />
    </>
  )
}

const MakeOperators = ({ request, seen: { row } }: { request: SetupRequest; seen: Seen }) => (
  <details>
    <summary>Make this the operator tenant</summary>
    <Form request={request} action={`/setup/tenants/${row.tid}/operators`}>
      <p>From then on only its users can operate the broker. You may lose access.</p>
      <Tick
        name="sure"
        label="Only its app roles Broker.Operator and Broker.Administrator shall count"
      />
      <div class="row">
        <Button kind="danger">Change the operator tenant</Button>
      </div>
    </Form>
  </details>
)

const Remove = ({ request, seen: { row } }: { request: SetupRequest; seen: Seen }) => (
  <details>
    <summary>Remove this tenant</summary>
    <Form request={request} action={`/setup/tenants/${row.tid}/remove`}>
      <p>The broker signs all its users out everywhere at once and rejects their sign-ins.</p>
      <Tick name="sure" label={`Remove ${nameOf(row)}`} />
      <div class="row">
        <Button kind="danger">Remove</Button>
      </div>
    </Form>
  </details>
)

/**
 * Returns whether the visitor may move the console to this tenant. An administrator by role would
 * lose access unless an administrator of the tenant has signed in; the holder of the token can
 * create another token.
 */
const mayOperate = ({ visitor }: SetupRequest, { decided, trial }: Seen): boolean =>
  visitor.by === 'token' || (decided && trial?.roles.includes(ROLE.administrator) === true)

export async function makeOperators(
  request: SetupRequest,
  seen: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { row } = seen
  if (!mayOperate(request, seen))
    return redirectTo(request.c, `/setup/tenants/${row.tid}?result=nobody_operates`)
  if (form.get('sure') === 'yes')
    await withSetupAudit(
      request,
      {
        act: 'connection.operators',
        target: `tenant ${row.tid}`,
        details: operatorsBefore(request),
      },
      () => request.deps.connection.change({ operatorTenant: row.tid }),
    )
  return redirectTo(request.c, `/setup/tenants/${row.tid}`)
}

/**
 * Returns whether the tenant may be removed. Removing the operator tenant would lock the operators
 * out, unless it is only connected and unused, for example by a mistyped id.
 */
const mayRemove = (
  { deps }: SetupRequest,
  { row, decided, consentReturnedAt, trial }: Seen,
): boolean =>
  deps.connection.current().operatorTenant !== row.tid ||
  (!decided &&
    row.consentConfirmedAt === undefined &&
    consentReturnedAt === undefined &&
    trial === undefined)

export async function removeTenant(
  request: SetupRequest,
  seen: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { row } = seen
  const { deps, c, visitor, now } = request
  if (form.get('sure') !== 'yes' || !mayRemove(request, seen))
    return redirectTo(c, `/setup/tenants/${row.tid}`)
  await withSetupAudit(
    request,
    { act: 'tenant.remove', target: `tenant ${row.tid}`, details: tenantBefore(row) },
    () => disconnectTenant(deps, { tid: row.tid, actor: visitor.actor, now }),
  )
  return redirectTo(c, '/setup?result=saved')
}

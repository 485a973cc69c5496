import { isAnothers, proposedProofSetting } from '../../microsoft/tenants.ts'
import { parseMfaProof } from '../../protocol/mfa-proof.ts'
import { ROLE } from '../../protocol/names.ts'
import { operatorWasHere } from '../acts/setup-token.ts'
import { Button, Choices, Facts, LinkButton, Notice, Tick } from '../../pages/components.tsx'
import { SelectField } from '../../pages/fields.tsx'
import {
  signInAddress,
  Form,
  redirectTo,
  nameOf,
  withSetupAudit,
  setupPage,
  type SetupRequest,
} from './frame.tsx'
import { assertionOf, contextOf, KINDS, kindOf } from './proof-kinds.ts'
import { stepResultOf } from './returned.ts'
import type { Seen } from './seen.ts'
import { when } from './tenant.tsx'

/**
 * Proof of MFA for one tenant: chosen, tried in a live sign-in, and asserted by a recorded user.
 * Only a proof that a sign-in has shown can be asserted.
 */

const CONTEXTS = Array.from({ length: 25 }, (_, index) => `c${index + 1}`)
/** The seconds for which a trial sign-in counts. An older one may not show the current policies. */
const TRIAL_SECONDS = 3600

/** Returns the proof that the query names, by `proof` or by the fields of the form. */
function chosenOf(request: SetupRequest): string | undefined {
  const { proof, kind, context } = request.c.req.query()
  const words = proof ?? (kind === 'auth_context' ? `auth_context:${context ?? 'c1'}` : kind)
  return words !== undefined && parseMfaProof(words) !== undefined ? words : undefined
}

export function proofPage(
  request: SetupRequest,
  seen: Seen,
  problem?: string,
  sent?: string,
): Response {
  const { row } = seen
  const chosen =
    sent ?? chosenOf(request) ?? seen.proposedProof ?? (seen.decided ? row.mfaProof : undefined)
  return setupPage(
    request,
    {
      title: `Proof of MFA: ${nameOf(row)}`,
      status: problem === undefined ? 200 : 400,
      result: problem === undefined ? stepResultOf(request) : { kind: 'bad', title: problem },
    },
    <>
      <p>
        Case Manager admits no user without a second factor. Microsoft has several ways to prove
        one; choose the one that is true in this tenant.
      </p>
      <form class="stack" method="get" action={`/setup/tenants/${row.tid}/proof`}>
        <Choices
          legend="What proves it"
          name="kind"
          chosen={chosen === undefined ? 'auth_context' : kindOf(chosen)}
          options={Object.entries(KINDS).map(([value, { label, hint }]) => ({
            value,
            label,
            hint,
          }))}
        />
        <SelectField
          name="context"
          label="Which authentication context"
          options={CONTEXTS.map((context) => [context, context])}
          chosen={chosen === undefined ? undefined : contextOf(chosen)}
        />
        <div class="row">
          <Button kind={chosen === undefined ? 'primary' : 'quiet'}>Choose</Button>
        </div>
      </form>
      {chosen === undefined ? null : <Chosen request={request} seen={seen} proof={chosen} />}
    </>,
  )
}

function Chosen({ request, seen, proof }: { request: SetupRequest; seen: Seen; proof: string }) {
  const kind = KINDS[kindOf(proof)]
  const context = contextOf(proof)
  const good = trialProves(request, seen, proof)
  return (
    <>
      <h2>
        <code>{proof}</code>
      </h2>
      <Notice kind="warn" title="What it takes">
        {kind.means(context).map((words) => (
          <p>{words}</p>
        ))}
      </Notice>
      <div class="row">
        <LinkButton
          href={signInAddress(request, { kind: 'trial', tid: seen.row.tid, proof })}
          kind={good ? 'quiet' : 'primary'}
        >
          Try it with a sign-in
        </LinkButton>
      </div>
      <Arrived request={request} seen={seen} proof={proof} />
      {isAnothers(request.deps.connection.current(), seen.row) ? (
        <Propose request={request} seen={seen} proof={proof} />
      ) : good ? (
        <Form request={request} action={`/setup/tenants/${seen.row.tid}/proof`}>
          <input type="hidden" name="proof" value={proof} />
          <Tick
            name="asserted"
            label={assertionOf(proof)}
            hint="Who says so and when is kept, here and in the audit log."
          />
          <div class="row">
            <Button>Use this proof</Button>
          </div>
        </Form>
      ) : null}
    </>
  )
}

/**
 * The form that proposes a proof for another tenant, whose policies operators cannot see. An
 * administrator of that tenant asserts it.
 */
const Propose = ({
  request,
  seen,
  proof,
}: {
  request: SetupRequest
  seen: Seen
  proof: string
}) => (
  <Form request={request} action={`/setup/tenants/${seen.row.tid}/proof`}>
    <input type="hidden" name="proof" value={proof} />
    <p>
      You cannot see the policies of {nameOf(seen.row)}. An administrator of that tenant asserts
      this proof, by a link that you send them:
    </p>
    <p>“{assertionOf(proof)}”</p>
    <div class="row">
      <Button>Ask its administrator to assert it</Button>
    </div>
  </Form>
)

function Arrived({ request, seen, proof }: { request: SetupRequest; seen: Seen; proof: string }) {
  const { trial } = seen
  if (trial === undefined || trial.proof !== proof)
    return <p class="soft">No sign-in has tried this yet.</p>
  const proves = request.proves(proof, trial)
  return (
    <>
      <Facts
        items={[
          ['Tried', `${when(trial.at) ?? ''} by ${trial.who}`],
          ['acrs', trial.acrs.length === 0 ? 'none arrived' : trial.acrs.join(', ')],
          ['amr', trial.amr === undefined ? 'none arrived' : trial.amr.join(', ')],
        ]}
      />
      <Notice
        kind={proves ? 'good' : 'bad'}
        title={
          proves
            ? 'This user would be let in by this proof.'
            : 'This user would be rejected: the token does not hold that proof.'
        }
      >
        {proves && kindOf(proof) === 'auth_context'
          ? 'Entra sends the context whether or not a policy is bound to it: what you confirm below is what makes it a proof.'
          : undefined}
      </Notice>
    </>
  )
}

const trialProves = (request: SetupRequest, { trial }: Seen, proof: string): boolean =>
  trial !== undefined &&
  trial.proof === proof &&
  request.now - trial.at <= TRIAL_SECONDS &&
  request.proves(proof, trial)

export async function assertProof(
  request: SetupRequest,
  seen: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const { deps, c, visitor, now } = request
  const { row, trial } = seen
  const proof = form.get('proof') ?? ''
  if (parseMfaProof(proof) === undefined) return proofPage(request, seen, 'Choose what proves MFA.')
  if (isAnothers(deps.connection.current(), row)) return proposeProof(request, seen, proof)
  if (!trialProves(request, seen, proof) || trial === undefined)
    return proofPage(
      request,
      seen,
      'Try it with a sign-in first: the latest one is too old, or did not hold that proof.',
      proof,
    )
  if (form.get('asserted') !== 'yes')
    return proofPage(
      request,
      seen,
      'Confirm what you have looked at: tick the box above the button.',
      proof,
    )
  const by = visitor.by === 'role' ? visitor.name : `${visitor.name}, with ${trial.who}`
  await withSetupAudit(
    request,
    {
      act: 'proof.assert',
      target: `tenant ${row.tid}`,
      details: { proof, before: row.mfaProof, triedBy: trial.oid },
    },
    () =>
      deps.store.changeTenant({
        tid: row.tid,
        change: { mfaProof: proof, proofAssertedBy: by, proofAssertedAt: now },
      }),
  )
  deps.log.info('mfa_proof_asserted', { tid: row.tid, proof, actor: visitor.actor.id })
  // An administrator can sign in now, so the token is no longer accepted.
  const operators = deps.connection.current().operatorTenant === row.tid
  if (operators && row.consentConfirmedAt !== undefined && trial.roles.includes(ROLE.administrator))
    await operatorWasHere(deps.store, now)
  return redirectTo(c, `/setup/tenants/${row.tid}?result=asserted`)
}

/**
 * Proposes the proof of another tenant. It has no effect until an administrator of that tenant
 * asserts it.
 */
async function proposeProof(
  request: SetupRequest,
  { row, proposedProof }: Seen,
  proof: string,
): Promise<Response> {
  const details = { proof, before: proposedProof ?? row.mfaProof }
  await withSetupAudit(
    request,
    { act: 'proof.propose', target: `tenant ${row.tid}`, details },
    () => request.deps.store.setSetting(proposedProofSetting(row.tid), proof),
  )
  return redirectTo(request.c, `/setup/tenants/${row.tid}?result=proposed`)
}

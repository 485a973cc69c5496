import { parseMfaProof } from '../protocol/mfa-proof.ts'
import { ROLE } from '../protocol/names.ts'
import { operatorWasHere } from '../session/setup-token.ts'
import { Button, Choices, Facts, LinkButton, Notice, Tick } from '../page/components.tsx'
import { SelectField } from '../page/fields.tsx'
import { errandAddress, Form, goOn, nameOf, recorded, setupPage, type SetupRequest } from './frame.tsx'
import { saidOf } from './returned.ts'
import type { Seen } from './seen.ts'
import { when } from './tenant.tsx'

/** Proof of MFA for one tenant: chosen, tried live, and asserted by somebody who is written down. Refuses an assertion that no sign-in has shown. */

const CONTEXTS = Array.from({ length: 25 }, (_, index) => `c${index + 1}`)
/** A trial says how things are, not how they were. */
const TRIAL_SECONDS = 3600

interface Kind {
  label: string
  hint: string
  /** What it takes, and what it does not tell. */
  means: (context: string) => string[]
  assertion: (context: string) => string
}

const KINDS: Readonly<Record<'auth_context' | 'amr' | 'conditional_access', Kind>> = {
  auth_context: {
    label: 'An authentication context, bound to a policy that requires MFA',
    hint: 'The strongest. Needs Entra ID P1.',
    means: (context) => [
      `In Entra: Conditional Access, Authentication contexts: make ${context} (“Require MFA”), published to apps. Then Policies, New policy: target Authentication context ${context}, all users, grant “Require multifactor authentication”, and On.`,
      `The trap: where no policy is bound to ${context}, Entra says ${context} all the same, MFA or not. That it arrives proves nothing by itself; it proves MFA only because you have bound it. So look at the policy now, and try with an account that has no second factor: Microsoft has to stop it.`,
    ],
    assertion: (context) =>
      `I have looked: a Conditional Access policy that requires multifactor authentication is bound to ${context}, is On (not report-only), and holds for everybody who uses Case Manager.`,
  },
  amr: {
    label: 'amr: Entra itself says “mfa” in the token',
    hint: 'Good where it is there. Entra’s v2.0 tokens often have none, and then nobody gets in.',
    means: () => [
      'Whoever’s token has no amr with mfa in it is refused. Try it with a sign-in: if no amr arrives, choose an authentication context.',
    ],
    assertion: () => 'I know that users whose token does not say mfa are refused.',
  },
  conditional_access: {
    label: 'A Conditional Access policy on the application, which you vouch for',
    hint: 'The weakest: the broker cannot see it, and takes your word.',
    means: () => [
      'In Entra: Conditional Access, Policies, New policy: target resource Case Manager, all users, grant “Require multifactor authentication”, and On. Nothing of it arrives in the token. If somebody changes the policy later, the broker does not learn of it.',
    ],
    assertion: () =>
      'I have looked: a Conditional Access policy that requires multifactor authentication of everybody who uses Case Manager is On (not report-only). I vouch for it.',
  },
}

/** `proof=`, or what the form above it sends. */
function chosenOf(request: SetupRequest): string | undefined {
  const { proof, kind, context } = request.c.req.query()
  const words = proof ?? (kind === 'auth_context' ? `auth_context:${context ?? 'c1'}` : kind)
  return words !== undefined && parseMfaProof(words) !== undefined ? words : undefined
}

const kindOf = (proof: string): keyof typeof KINDS => (proof.startsWith('auth_context:') ? 'auth_context' : (proof as 'amr' | 'conditional_access'))
const contextOf = (proof: string): string => proof.split(':')[1] ?? 'c1'

export function proofPage(request: SetupRequest, seen: Seen, problem?: string, sent?: string): Response {
  const { row } = seen
  const chosen = sent ?? chosenOf(request) ?? (seen.decided ? row.mfaProof : undefined)
  return setupPage(
    request,
    {
      title: `Proof of MFA: ${nameOf(row)}`,
      status: problem === undefined ? 200 : 400,
      said: problem === undefined ? saidOf(request) : { kind: 'bad', title: problem },
    },
    <>
      <p>
        Case Manager lets nobody in without a second factor. Microsoft has several ways to show that there was one; choose the one that holds in this
        tenant.
      </p>
      <form class="stack" method="get" action={`/setup/tenants/${row.tid}/proof`}>
        <Choices
          legend="What proves it"
          name="kind"
          chosen={chosen === undefined ? 'auth_context' : kindOf(chosen)}
          options={Object.entries(KINDS).map(([value, { label, hint }]) => ({ value, label, hint }))}
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
        <LinkButton href={errandAddress(request, { kind: 'trial', tid: seen.row.tid, proof })} kind={good ? 'quiet' : 'primary'}>
          Try it with a sign-in
        </LinkButton>
      </div>
      <Arrived request={request} seen={seen} proof={proof} />
      {good ? (
        <Form request={request} action={`/setup/tenants/${seen.row.tid}/proof`}>
          <input type="hidden" name="proof" value={proof} />
          <Tick name="asserted" label={kind.assertion(context)} hint="Who says so and when is kept, here and in the audit log." />
          <div class="row">
            <Button>Use this proof</Button>
          </div>
        </Form>
      ) : null}
    </>
  )
}

function Arrived({ request, seen, proof }: { request: SetupRequest; seen: Seen; proof: string }) {
  const { trial } = seen
  if (trial === undefined || trial.proof !== proof) return <p class="soft">No sign-in has tried this yet.</p>
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
        title={proves ? 'This user would be let in by this proof.' : 'This user would be refused: the token does not hold that proof.'}
      >
        {proves && kindOf(proof) === 'auth_context'
          ? 'Entra sends the context whether or not a policy is bound to it: what you confirm below is what makes it a proof.'
          : undefined}
      </Notice>
    </>
  )
}

const trialProves = (request: SetupRequest, { trial }: Seen, proof: string): boolean =>
  trial !== undefined && trial.proof === proof && request.now - trial.at <= TRIAL_SECONDS && request.proves(proof, trial)

export async function assertProof(request: SetupRequest, seen: Seen, form: URLSearchParams): Promise<Response> {
  const { deps, c, visitor, now } = request
  const { row, trial } = seen
  const proof = form.get('proof') ?? ''
  if (parseMfaProof(proof) === undefined) return proofPage(request, seen, 'Choose what proves MFA.')
  if (!trialProves(request, seen, proof) || trial === undefined)
    return proofPage(request, seen, 'Try it with a sign-in first: the latest one is too old, or did not hold that proof.', proof)
  if (form.get('asserted') !== 'yes') return proofPage(request, seen, 'Confirm what you have looked at: tick the box above the button.', proof)
  const by = visitor.by === 'role' ? visitor.name : `${visitor.name}, with ${trial.who}`
  await recorded(request, { act: 'proof.assert', target: `tenant ${row.tid}`, details: { proof, before: row.mfaProof, triedBy: trial.oid } }, () =>
    deps.store.changeTenant({ tid: row.tid, change: { mfaProof: proof, proofAssertedBy: by, proofAssertedAt: now } }),
  )
  deps.log.info('mfa_proof_asserted', { tid: row.tid, proof, actor: visitor.actor.id })
  // Now somebody is there who can sign in as an administrator: the token has done its work.
  const operators = deps.connection.current().operatorTenant === row.tid
  if (operators && row.consentConfirmedAt !== undefined && trial.roles.includes(ROLE.administrator)) await operatorWasHere(deps.store, now)
  return goOn(c, `/setup/tenants/${row.tid}?said=asserted`)
}

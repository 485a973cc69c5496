import { proposedProofSetting } from '../../microsoft/tenants.ts'
import { Choices } from '../../pages/components.tsx'
import { SelectField } from '../../pages/fields.tsx'
import { parseMfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_PHISHING_RESISTANT } from '../../protocol/strength.ts'
import { Form, redirectTo, recordStep, type SetupRequest } from './frame.tsx'
import { partsOf } from './proof-kinds.ts'
import { proofToAssert, type Seen } from './seen.ts'
import { KINDS } from './texts/proof-kinds.ts'
import { notAsserted, PROOF } from './texts/proof.tsx'

/**
 * The proof of MFA of one tenant. Operators cannot see a tenant's policies, so they propose a proof
 * here, and an administrator of the tenant asserts it at the tenant's page.
 */

const CONTEXTS = Array.from({ length: 25 }, (_, index) => `c${index + 1}`)

export function Proof({ request, seen }: { request: SetupRequest; seen: Seen }) {
  const { row, decided, proposedProof } = seen
  const remains = proofToAssert(seen)
  const chosen = proposedProof ?? (decided ? row.mfaProof : undefined)
  const { kind, context, phishingResistant } = partsOf(chosen ?? '')
  return (
    <>
      {remains === undefined ? null : <p>{notAsserted(remains)}</p>}
      <details open={chosen === undefined}>
        <summary>{PROOF.choose}</summary>
        <Form request={request} action={`/setup/tenants/${row.tid}/proof`} button={PROOF.ask}>
          <p class="soft">{PROOF.several}</p>
          <Choices
            legend={PROOF.what}
            name="kind"
            chosen={kind}
            options={Object.entries(KINDS).map(([value, { label, hint }]) => ({
              value,
              label,
              hint,
            }))}
          />
          <SelectField
            name="context"
            label={PROOF.context}
            options={CONTEXTS.map((value) => [value, value])}
            chosen={context}
          />
          <SelectField
            name="phishing_resistant"
            label={PROOF.strong}
            options={[['', PROOF.noStrong], ...CONTEXTS.map((value) => [value, value] as const)]}
            chosen={phishingResistant ?? ''}
          />
        </Form>
      </details>
    </>
  )
}

/**
 * Proposes the proof. It has no effect until an administrator of the tenant asserts it, and the
 * proof in force goes on meanwhile.
 */
export async function proposeProof(
  request: SetupRequest,
  { row, proposedProof }: Seen,
  form: URLSearchParams,
): Promise<Response> {
  const kind = form.get('kind') ?? ''
  const mfa = kind === 'auth_context' ? `${kind}:${form.get('context') ?? ''}` : kind
  const strong = form.get('phishing_resistant') ?? ''
  const proof = strong === '' ? mfa : `${mfa},${ACR_PHISHING_RESISTANT}:${strong}`
  const page = `/setup/tenants/${row.tid}`
  if (parseMfaProof(proof) === undefined) return redirectTo(request.c, page)
  const details = { proof, before: proposedProof ?? row.mfaProof }
  await recordStep(request, { act: 'proof.propose', target: `tenant ${row.tid}`, details }, () =>
    request.deps.store.setSetting(proposedProofSetting(row.tid), proof),
  )
  return redirectTo(request.c, `${page}?result=proposed`)
}

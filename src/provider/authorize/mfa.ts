import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { contextFor, parseMfaProof, type MfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_MFA } from '../../protocol/names.ts'
import { ACR_PHISHING_RESISTANT, type Strength } from '../../protocol/strength.ts'

/**
 * The one place that decides whether a sign-in proves MFA. It fails closed: an unreadable policy or
 * a missing proof admits no user. Tokens have `acr` and `amr: ["mfa"]` for an asserted
 * authentication context or for Microsoft's own `amr`, never for `conditional_access`, which no
 * token proves. A phishing-resistant proof needs an asserted context of its own, and proves MFA too.
 */

type MfaVerdict =
  | { proved: true; acr: Strength | undefined; amr: string[] | undefined }
  | { proved: false }

/**
 * Returns the tenant's policy, or the broker's for an unknown tenant. Undefined if it cannot be
 * read: then nothing proves MFA. A context for a phishing-resistant proof is left out until it is
 * asserted, because Entra issues it also where no policy is bound to it.
 */
export function mfaPolicy(
  config: Pick<Config, 'mfaProof' | 'mfaProofAsserted'>,
  tenant: Tenant | undefined,
): MfaProof | undefined {
  const policy = tenant === undefined ? config.mfaProof : parseMfaProof(tenant.mfaProof)
  return (
    policy && {
      ...policy,
      phishingResistant: isAsserted(config, tenant) ? policy.phishingResistant : undefined,
    }
  )
}

/**
 * Returns whether the tenant's administrator or the operator (BROKER_MFA_PROOF) asserted that a
 * policy demands the proof.
 */
export const isAsserted = (
  config: Pick<Config, 'mfaProofAsserted'>,
  tenant: Tenant | undefined,
): boolean =>
  tenant === undefined ? config.mfaProofAsserted : tenant.proofAssertedAt !== undefined

const issued = (acr: Strength): MfaVerdict => ({ proved: true, acr, amr: ['mfa'] })
const NOT_ISSUED: MfaVerdict = { proved: true, acr: undefined, amr: undefined }

/**
 * Decides whether the sign-in proves MFA, and which claims tokens get.
 * @param asserted Entra also issues `acrs` if no policy is bound to the context. Without an
 * assertion the user is admitted, but tokens claim no MFA.
 * @param authContext the context that this visit asked for. A token may have others from earlier
 * sign-ins, and no claim says when those were.
 */
export function evaluateMfa(
  policy: MfaProof | undefined,
  identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>,
  asserted: boolean,
  authContext?: string,
): MfaVerdict {
  const strong = policy?.phishingResistant
  if (strong !== undefined && strong === authContext && identity.acrs.includes(strong))
    return issued(ACR_PHISHING_RESISTANT)
  const byAmr = identity.amr?.includes('mfa') === true
  switch (policy?.kind) {
    case 'auth_context':
      if (!identity.acrs.includes(policy.id)) return { proved: false }
      return asserted || byAmr ? issued(ACR_MFA) : NOT_ISSUED
    case 'amr':
      return byAmr ? issued(ACR_MFA) : { proved: false }
    case 'conditional_access':
      return NOT_ISSUED
    case undefined:
      return { proved: false }
  }
}

/**
 * Returns how the sign-in of an administrator who asserts a proof would be judged. It was asked for
 * the strongest that the proof names, and has to bring that.
 */
export function provesMfa(
  proof: string,
  identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>,
): boolean {
  const policy = parseMfaProof(proof)
  const asked = contextFor(policy, ACR_PHISHING_RESISTANT)
  const verdict = evaluateMfa(policy, identity, false, asked)
  return (
    verdict.proved &&
    (policy?.phishingResistant === undefined || verdict.acr === ACR_PHISHING_RESISTANT)
  )
}

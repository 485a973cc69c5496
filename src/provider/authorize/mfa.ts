import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { parseMfaProof, type MfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_MFA } from '../../protocol/names.ts'

/**
 * The one place that decides whether a sign-in proves MFA. It fails closed: an unreadable policy or
 * a missing proof admits no user. Tokens have `acr` and `amr: ["mfa"]` for an asserted
 * authentication context or for Microsoft's own `amr`, never for `conditional_access`, which no
 * token proves.
 */

type MfaVerdict =
  | { proved: true; acr: string | undefined; amr: string[] | undefined }
  | { proved: false }

/**
 * Returns the tenant's policy, or the broker's for an unknown tenant. Undefined if it cannot be
 * read: then nothing proves MFA.
 */
export const mfaPolicy = (
  config: Pick<Config, 'mfaProof'>,
  tenant: Tenant | undefined,
): MfaProof | undefined => (tenant === undefined ? config.mfaProof : parseMfaProof(tenant.mfaProof))

/**
 * Returns whether the tenant's administrator or the operator (BROKER_MFA_PROOF) asserted that a
 * policy demands the proof.
 */
export const isAsserted = (
  config: Pick<Config, 'mfaProofAsserted'>,
  tenant: Tenant | undefined,
): boolean =>
  tenant === undefined ? config.mfaProofAsserted : tenant.proofAssertedAt !== undefined

const ISSUED: MfaVerdict = { proved: true, acr: ACR_MFA, amr: ['mfa'] }
const NOT_ISSUED: MfaVerdict = { proved: true, acr: undefined, amr: undefined }

/**
 * Decides whether the sign-in proves MFA, and which claims tokens get.
 * @param asserted Entra also issues `acrs` if no policy is bound to the context. Without an
 * assertion the user is admitted, but tokens claim no MFA.
 */
export function judgeMfa(
  policy: MfaProof | undefined,
  identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>,
  asserted: boolean,
): MfaVerdict {
  const byAmr = identity.amr?.includes('mfa') === true
  switch (policy?.kind) {
    case 'auth_context':
      if (!identity.acrs.includes(policy.id)) return { proved: false }
      return asserted || byAmr ? ISSUED : NOT_ISSUED
    case 'amr':
      return byAmr ? ISSUED : { proved: false }
    case 'conditional_access':
      return NOT_ISSUED
    case undefined:
      return { proved: false }
  }
}

/** Returns how the sign-in of an administrator who asserts a proof would be judged. */
export const provesMfa = (
  proof: string,
  identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>,
): boolean => judgeMfa(parseMfaProof(proof), identity, false).proved

import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { parseMfaProof, type MfaProof } from '../../protocol/mfa-proof.ts'
import { ACR_MFA } from '../../protocol/names.ts'

/**
 * The one place that decides whether a sign-in proves MFA. It fails closed: a policy that cannot be
 * read, or whose proof is missing, admits no user. `acr` and `amr: ["mfa"]` go together: issued for
 * an authentication context whose proof was asserted, or for Microsoft's own `amr`; never for
 * `conditional_access`, which no token shows.
 */

type MfaVerdict =
  | { proved: true; acr: string | undefined; amr: string[] | undefined }
  | { proved: false }

/**
 * The tenant's own policy where it has one, else the broker's. Undefined: it cannot be read, so
 * nothing proves MFA there.
 */
export const mfaPolicy = (
  config: Pick<Config, 'mfaProof'>,
  tenant: Tenant | undefined,
): MfaProof | undefined => (tenant === undefined ? config.mfaProof : parseMfaProof(tenant.mfaProof))

/**
 * Whether the tenant's administrator (at /setup) or the operator (by setting BROKER_MFA_PROOF)
 * asserted that a policy demands the proof.
 */
export const isAsserted = (
  config: Pick<Config, 'mfaProofAsserted'>,
  tenant: Tenant | undefined,
): boolean =>
  tenant === undefined ? config.mfaProofAsserted : tenant.proofAssertedAt !== undefined

const ISSUED: MfaVerdict = { proved: true, acr: ACR_MFA, amr: ['mfa'] }
const NOT_ISSUED: MfaVerdict = { proved: true, acr: undefined, amr: undefined }

/**
 * @param asserted Entra issues `acrs` also where no policy is bound to the context. Without an
 * assertion it admits the user, and tokens claim no MFA.
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

/** For a trial at /setup: what a sign-in like that would be judged. */
export const provesMfa = (
  proof: string,
  identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>,
): boolean => judgeMfa(parseMfaProof(proof), identity, false).proved

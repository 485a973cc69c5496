import type { TenantRow } from '../../db/types.ts'
import type { Config } from '../config/config.ts'
import type { MicrosoftIdentity } from '../microsoft/interface.ts'
import { parseMfaProof, type MfaProof } from '../protocol/mfa-proof.ts'
import { ACR_MFA } from '../protocol/names.ts'

/**
 * Decides, alone, whether a sign-in proves MFA. Fails closed: a policy that cannot be read, or whose proof is not there, lets nobody in.
 * `acr` and `amr` say what Microsoft proved and nothing else: what an administrator asserts lets a user in, but is no proof to be passed on.
 */

export type MfaVerdict = { proved: true; acr: string | undefined; amr: string[] | undefined } | { proved: false }

/** The tenant's own policy where it has one, else the broker's. Undefined: it cannot be read, so nothing proves MFA there. */
export const mfaPolicy = (config: Pick<Config, 'mfaProof'>, tenant: TenantRow | undefined): MfaProof | undefined =>
  tenant === undefined ? config.mfaProof : parseMfaProof(tenant.mfaProof)

export function judgeMfa(policy: MfaProof | undefined, identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>): MfaVerdict {
  const methods = identity.amr
  const byAmr = methods?.includes('mfa') === true
  switch (policy?.kind) {
    // Proves it only because the tenant's administrator has bound a policy to this very context and confirmed it at set-up.
    case 'auth_context':
      return identity.acrs.includes(policy.id) ? { proved: true, acr: ACR_MFA, amr: methods } : { proved: false }
    case 'amr':
      return byAmr ? { proved: true, acr: ACR_MFA, amr: methods } : { proved: false }
    case 'conditional_access':
      return { proved: true, acr: byAmr ? ACR_MFA : undefined, amr: methods }
    case undefined:
      return { proved: false }
  }
}

/** For a trial at /setup: what a sign-in like that would be judged. */
export const provesMfa = (proof: string, identity: Pick<MicrosoftIdentity, 'acrs' | 'amr'>): boolean =>
  judgeMfa(parseMfaProof(proof), identity).proved

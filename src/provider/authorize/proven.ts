import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { freshContextOf } from '../../protocol/mfa-proof.ts'
import { isSameUser } from '../../session/browser.ts'
import { mfaPolicy } from './mfa.ts'
import type { CallbackResult, UpstreamLogin } from './sealed.ts'

/**
 * Proof about one user, collected over the visits of one sign-in. Each visit asks Microsoft for one
 * authentication context, and a tenant may need two: for MFA and for a fresh sign-in.
 */

/**
 * Returns the head of the log when the visit with `prompt=login` departed, or 0 if the user has not
 * entered credentials since.
 */
export const provenBy = (
  { login }: Pick<UpstreamLogin, 'login'>,
  proved: Pick<MicrosoftIdentity, 'authTime' | 'clockOffsetSeconds'>,
): number => (login !== undefined && enteredSince(proved, login.at) ? login.seq : 0)

/**
 * Adds the proof of earlier visits by the same user. Without a demanded context each visit counts
 * alone.
 */
export function withEarlier(
  config: Pick<Config, 'mfaProof' | 'mfaProofAsserted' | 'freshContext'>,
  visit: UpstreamLogin,
  identity: MicrosoftIdentity,
  tenant: Tenant | undefined,
): CallbackResult {
  const { tid, oid } = identity.user
  const id = freshContextOf(config.freshContext, tid)
  if (id === undefined) return { visit, identity }
  const before =
    visit.earlier !== undefined && isSameUser(visit.earlier, identity.user)
      ? visit.earlier
      : undefined
  const asked = visit.authContext === id
  // Only a visit that asked for the context counts: another token may carry it from an earlier
  // sign-in in that browser.
  const seq = asked && identity.acrs.includes(id) ? provenBy(visit, identity) : 0
  const context = seq > 0 ? { id, seq } : before?.context
  const policy = mfaPolicy(config, tenant)
  const lacksMfa = asked && policy?.kind === 'auth_context' && policy.id !== id
  const acrs = lacksMfa ? [...new Set([...identity.acrs, ...(before?.acrs ?? [])])] : identity.acrs
  return {
    visit: { ...visit, earlier: { tid, oid, acrs, context } },
    identity: { ...identity, acrs },
  }
}

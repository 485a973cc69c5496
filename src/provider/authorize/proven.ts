import type { Tenant } from '../../../db/types.ts'
import type { Config } from '../../config/config.ts'
import { enteredSince } from '../../microsoft/auth-time.ts'
import type { MicrosoftIdentity } from '../../microsoft/interface.ts'
import { freshContextOf } from '../../protocol/mfa-proof.ts'
import { isSameUser } from '../../clients/session/browser.ts'
import { mfaPolicy } from './mfa.ts'
import type { CallbackResult, Visit } from './sealed.ts'

/**
 * What the visits of one sign-in proved of one user so far. Microsoft is asked for one
 * authentication context a visit, and a tenant may need two: one that proves MFA, and one that a
 * fresh sign-in has to bring.
 */

/**
 * The head of the log when the fresh visit departed; 0: the user did not enter their credentials
 * after the browser had left with `prompt=login`.
 */
export const provenBy = (
  { login }: Pick<Visit, 'login'>,
  proved: Pick<MicrosoftIdentity, 'authTime' | 'clockOffsetSeconds'>,
): number => (login !== undefined && enteredSince(proved, login.at) ? login.seq : 0)

/**
 * What has come back, with what the same user proved in the visits before. Where no context is
 * demanded, each visit counts alone.
 */
export function withEarlier(
  config: Pick<Config, 'mfaProof' | 'freshContext'>,
  visit: Visit,
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
  // Only a visit that asked for it: another token may hold the context from an earlier sign-in in
  // that browser.
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

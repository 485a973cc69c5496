import type { Store } from '../../db/store.ts'
import type { RevokeInput } from '../../db/types.ts'
import type { Deps } from './deps.ts'

/**
 * Revokes on behalf of a user, an operator or a client when revoking is the whole act. Other acts
 * (a stolen refresh token, a second sign-in, a probe, a lock, a removal) revoke in their own
 * transaction. Both use `revoke` of db/revocation/revoke.ts, and the commit announces what was
 * revoked (announce.ts).
 */

type RevokeDeps = { store: Pick<Store, 'revoke'> } & Partial<Pick<Deps, 'config'>>

/** Revokes a selector. @throws StoreUnavailable; then nothing was revoked */
export const requestRevocation = async (
  deps: RevokeDeps,
  input: RevokeInput,
): ReturnType<Store['revoke']> => deps.store.revoke({ ...input, ...alsoAtMicrosoft(deps, input) })

/**
 * Adds revoking at Microsoft if the user signs out everywhere and the tenant is configured for it.
 * The same transaction stores that pending work.
 */
const alsoAtMicrosoft = (
  { config }: RevokeDeps,
  { reason }: RevokeInput,
): Pick<RevokeInput, 'alsoAtMicrosoft'> =>
  reason === 'signed_out_everywhere' ? { alsoAtMicrosoft: config?.signals.revokeAtMicrosoft } : {}

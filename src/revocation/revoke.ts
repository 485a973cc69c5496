import type { RevokeInput, Store } from '../../db/store.ts'
import type { Deps } from './deps.ts'

/**
 * The one function by which a session, a grant, a user, a client, a tenant or everything is revoked. It decides nothing: the store's
 * transaction does, and its commit announces what was revoked (announce.ts).
 */

type RevokeDeps = { store: Pick<Store, 'revoke'> } & Partial<Pick<Deps, 'config'>>

/** @throws StoreUnavailable: nothing was revoked */
export const revoke = async (deps: RevokeDeps, input: RevokeInput): ReturnType<Store['revoke']> =>
  deps.store.revoke({ ...input, ...alsoAtMicrosoft(deps, input) })

/** Signing out everywhere goes on to Microsoft in tenants that want it so; pending from the same transaction on. */
const alsoAtMicrosoft = ({ config }: RevokeDeps, { reason }: RevokeInput): Pick<RevokeInput, 'alsoAtMicrosoft'> =>
  reason === 'signed_out_everywhere' ? { alsoAtMicrosoft: config?.signals.revokeAtMicrosoft } : {}

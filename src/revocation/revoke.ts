import type { Store } from '../../db/store.ts'
import type { RevokeInput } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import type { Participant, Session } from '../../db/types.ts'
import { openFromSession } from '../clients/session/sealed.ts'

/**
 * Revokes where revoking is the whole act: on behalf of a user, an operator or a client. Another
 * act that also revokes (a stolen refresh token, a second sign-in, a probe, a lock, a removal, the
 * end of time) does so in its own transaction of the store. In both cases `revoke` of
 * db/revocation/revoke.ts is the one function that ends a session, and the commit announces what
 * was revoked (announce.ts).
 */

type RevokeDeps = { store: Pick<Store, 'revoke'> } & Partial<Pick<Deps, 'config'>>

/** @throws StoreUnavailable: nothing was revoked */
export const revoke = async (deps: RevokeDeps, input: RevokeInput): ReturnType<Store['revoke']> =>
  deps.store.revoke({ ...input, ...alsoAtMicrosoft(deps, input) })

/**
 * Signing out everywhere goes on to Microsoft in tenants that want it so; pending from the same
 * transaction on.
 */
const alsoAtMicrosoft = (
  { config }: RevokeDeps,
  { reason }: RevokeInput,
): Pick<RevokeInput, 'alsoAtMicrosoft'> =>
  reason === 'signed_out_everywhere' ? { alsoAtMicrosoft: config?.signals.revokeAtMicrosoft } : {}

/** A user signs out of the session at hand, or of all of them. */

/** Names of apps that the signed-out page can show: they travel in a cookie and in an address. */
export const MOST_NAMES = 20

export async function signOut(
  deps: Deps,
  {
    scope,
    session,
    participants,
    now,
  }: {
    scope: 'device' | 'everywhere'
    session: Session
    participants: readonly Participant[]
    now: number
  },
): Promise<{
  scope: 'device' | 'everywhere'
  clientIds: string[]
  seq: number | undefined
  at: number
}> {
  const { sub, sid } = session
  const answer = await revoke(deps, {
    selector: scope === 'everywhere' ? { kind: 'subject', sub } : { kind: 'session', sid },
    reason: scope === 'everywhere' ? 'signed_out_everywhere' : 'signed_out',
    actor: { kind: 'user', id: sub },
    now,
  })
  const clientIds = [...new Set(participants.map(({ clientId }) => clientId))].slice(0, MOST_NAMES)
  return {
    scope,
    clientIds,
    seq: answer.outcome === 'revoked' ? answer.committed.revocation.seq : undefined,
    at: now,
  }
}

/** Microsoft's own sign-out, still to come: the user reads first that they are signed out here. */
export const microsoftNext = (
  { sealer }: Pick<Deps, 'sealer'>,
  { user, loginHintSealed }: Session,
) => ({
  microsoft: 'next' as const,
  account: {
    tid: user.tid,
    loginHint: openFromSession(sealer, 'login_hint', user, loginHintSealed),
  },
})

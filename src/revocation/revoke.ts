import type { Store } from '../../db/store.ts'
import type { Participant, RevokeInput, Session } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { openFromSession } from '../clients/session/sealed.ts'

/**
 * Revokes on behalf of a user, an operator or a client when revoking is the whole act. Other acts
 * (a stolen refresh token, a second sign-in, a probe, a lock, a removal) revoke in their own
 * transaction. Both use `revoke` of db/revocation/revoke.ts, and the commit announces what was
 * revoked (announce.ts).
 */

type RevokeDeps = { store: Pick<Store, 'revoke'> } & Partial<Pick<Deps, 'config'>>

/** Revokes a selector. @throws StoreUnavailable; then nothing was revoked */
export const revoke = async (deps: RevokeDeps, input: RevokeInput): ReturnType<Store['revoke']> =>
  deps.store.revoke({ ...input, ...alsoAtMicrosoft(deps, input) })

/**
 * Adds revoking at Microsoft if the user signs out everywhere and the tenant is configured for it.
 * The same transaction stores that pending work.
 */
const alsoAtMicrosoft = (
  { config }: RevokeDeps,
  { reason }: RevokeInput,
): Pick<RevokeInput, 'alsoAtMicrosoft'> =>
  reason === 'signed_out_everywhere' ? { alsoAtMicrosoft: config?.signals.revokeAtMicrosoft } : {}

/** Upper bound of the app names on the signed-out page: a cookie and a URL hold them. */
export const MOST_NAMES = 20

/** Signs a user out of one session or of all, and returns what the signed-out page shows. */
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

/**
 * The parts of the signed-out page about Microsoft's own sign-out.
 * @param wanted true if it follows at once; otherwise the page offers it
 */
export const microsoftNext = (
  { sealer }: Pick<Deps, 'sealer'>,
  { user, loginHintSealed }: Session,
  wanted: boolean,
) => ({
  microsoft: wanted ? ('next' as const) : undefined,
  account: {
    tid: user.tid,
    loginHint: openFromSession(sealer, 'login_hint', user, loginHintSealed),
  },
})

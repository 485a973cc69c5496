import type { Participant, Session } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { openFromSession } from '../clients/session/sealed.ts'
import { revoke } from './revoke.ts'

/** A user signs out of the session at hand, or of all of them. */

/** Names of apps that the signed-out page can show: they travel in a cookie and in an address. */
export const MOST_NAMES = 20

export async function signOut(
  deps: Deps,
  { scope, session, participants, now }: { scope: 'device' | 'everywhere'; session: Session; participants: readonly Participant[]; now: number },
): Promise<{ scope: 'device' | 'everywhere'; clientIds: string[]; seq: number | undefined; at: number }> {
  const { sub, sid } = session
  const answer = await revoke(deps, {
    selector: scope === 'everywhere' ? { kind: 'subject', sub } : { kind: 'session', sid },
    reason: scope === 'everywhere' ? 'signed_out_everywhere' : 'signed_out',
    actor: { kind: 'user', id: sub },
    now,
  })
  const clientIds = [...new Set(participants.map(({ clientId }) => clientId))].slice(0, MOST_NAMES)
  return { scope, clientIds, seq: answer.outcome === 'revoked' ? answer.committed.revocation.seq : undefined, at: now }
}

/** Microsoft's own sign-out, still to come: the user reads first that they are signed out here. */
export const microsoftNext = ({ sealer }: Pick<Deps, 'sealer'>, { user, loginHintSealed }: Session) => ({
  microsoft: 'next' as const,
  account: { tid: user.tid, loginHint: openFromSession(sealer, 'login_hint', user, loginHintSealed) },
})

import type { Guard } from '@case-manager/guard'
import type { RelyingParty } from './oidc.ts'
import type { InstanceSession, Sessions } from './sessions.ts'

/** `unknown`: cannot be checked at the moment. It is not a sign-out, and nothing is shown. */
type Standing = 'good' | 'ended' | 'unknown'

/**
 * Whether a session is valid now: asked at each request, and answered from memory but for the
 * refresh that is due once in a while.
 */
export function createStanding(parts: {
  guard: Guard
  relyingParty: RelyingParty
  sessions: Sessions
  now: () => number
}) {
  const refreshing = new WeakMap<InstanceSession, Promise<'refreshed' | 'over' | 'failed'>>()

  /** Requests that come at once share one refresh. */
  function refresh(session: InstanceSession): Promise<'refreshed' | 'over' | 'failed'> {
    const running = refreshing.get(session)
    if (running !== undefined) return running
    const starting = parts.relyingParty.refresh(session).finally(() => refreshing.delete(session))
    refreshing.set(session, starting)
    return starting
  }

  return async function standing(session: InstanceSession): Promise<Standing> {
    let refreshed = session.refreshAt <= parts.now() ? await refresh(session) : undefined
    let checked = await parts.guard.check(session.accessToken)
    if (
      !checked.ok &&
      checked.error === 'invalid_token' &&
      refreshed === undefined &&
      !session.ended
    ) {
      refreshed = await refresh(session)
      checked = await parts.guard.check(session.accessToken)
    }
    if (refreshed === 'over') parts.sessions.end(session)
    if (session.ended) return 'ended'
    return checked.ok ? 'good' : 'unknown'
  }
}

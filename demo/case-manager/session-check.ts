import type { RelyingParty } from './oidc.ts'
import type { InstanceSession, Sessions } from './sessions.ts'

/**
 * Returns a function that refreshes a session when its access token is due, which the broker counts
 * as activity of the user, and tells whether the session goes on. The guard has judged the session
 * before.
 */
export function createSessionCheck(parts: {
  relyingParty: RelyingParty
  sessions: Sessions
  now: () => number
}) {
  const refreshing = new WeakMap<InstanceSession, Promise<'refreshed' | 'over' | 'failed'>>()

  /** Concurrent requests share one refresh. */
  function refresh(session: InstanceSession): Promise<'refreshed' | 'over' | 'failed'> {
    const running = refreshing.get(session)
    if (running !== undefined) return running
    const starting = parts.relyingParty.refresh(session).finally(() => refreshing.delete(session))
    refreshing.set(session, starting)
    return starting
  }

  return async function goesOn(session: InstanceSession): Promise<boolean> {
    if (session.refreshAt <= parts.now() && (await refresh(session)) === 'over')
      parts.sessions.end(session)
    return !session.ended
  }
}

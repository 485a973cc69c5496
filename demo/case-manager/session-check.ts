import type { Guard } from '@case-manager/guard'
import type { RelyingParty } from './oidc.ts'
import type { InstanceSession, Sessions } from './sessions.ts'

/**
 * `unknown`: the session cannot be checked at the moment. The user is not signed out, but sees no
 * data.
 */
type SessionState = 'good' | 'ended' | 'unknown'

/**
 * Returns a function that tells whether a session is valid now. It runs at each request and answers
 * from memory, except for the refresh that is due from time to time.
 */
export function createSessionCheck(parts: {
  guard: Guard
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

  return async function checkSession(session: InstanceSession): Promise<SessionState> {
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

import type { Session, SessionStatus } from '../../db/types.ts'
import type { Store } from '../../db/store.ts'
import { type ReasonClass, reasonClass, RAISES_FLOOR } from '../protocol/revocation.ts'

/**
 * Returns the state of a browser's session from the store, found by the hash of its cookie. A
 * browser without a cookie costs no query.
 */
export async function currentStatus(
  deps: { store: Store },
  cookieHash: string | undefined,
  now: number,
): Promise<SessionStatus> {
  return cookieHash === undefined
    ? { state: 'unknown' }
    : deps.store.statusByCookie(cookieHash, now)
}

/** A browser's session for its sign-out. */
export interface SessionHere {
  /** The state of the session that the cookie names. */
  status: SessionStatus
  session: Session | undefined
  /**
   * True: the browser lacks the session's cookie, because an answer was lost or two arrived out of
   * order, and its own cookie found the session. That cookie is older than the sign-in: the former
   * user of a shared computer may have a copy. So it is enough to end the session, not to read of
   * it.
   */
  isByBrowser: boolean
}

export async function sessionHere(
  deps: { store: Store },
  {
    sessionHash,
    browserHash,
  }: { sessionHash: string | undefined; browserHash: string | undefined },
  now: number,
): Promise<SessionHere> {
  const status = await currentStatus(deps, sessionHash, now)
  const byCookie = liveSession(status)
  if (byCookie !== undefined || browserHash === undefined)
    return { status, session: byCookie, isByBrowser: false }
  const session = await deps.store.liveSessionOfBrowser(browserHash, now)
  return { status, session, isByBrowser: session !== undefined }
}

/**
 * Returns the session while it is live. A session marked by Microsoft's answer is live until its
 * end.
 */
export const liveSession = (status: SessionStatus): Session | undefined =>
  status.state === 'live' || status.state === 'marked' ? status.session : undefined

/** Returns whether the browser's session was revoked for a reason that requires a fresh sign-in. */
export const endedElsewhere = (status: SessionStatus): boolean =>
  status.state === 'ended' &&
  status.session.ended !== undefined &&
  RAISES_FLOOR[status.session.ended.reason] !== false

/**
 * Returns why a browser's session ended, as a class of reasons that the user may read. Undefined if
 * it has not ended.
 */
export function endedClass(status: SessionStatus): ReasonClass | undefined {
  if (status.state !== 'ended') return undefined
  const { ended, markReason } = status.session
  const reason = ended?.reason ?? (status.why === 'marked' ? markReason : undefined)
  return reason === undefined ? 'expired' : reasonClass(reason)
}

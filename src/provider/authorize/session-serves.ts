import type { Session, SessionStatus } from '../../../db/types.ts'
import { meets } from '../../protocol/strength.ts'
import type { SignInRequest } from './request.ts'

/**
 * Returns the browser's session if it answers the request without Microsoft (single sign-on).
 * @param most the client's limit on the age of the user's authentication
 */
export function servingSession(
  status: SessionStatus,
  request: SignInRequest,
  now: number,
  most?: number,
): Session | undefined {
  if (status.state !== 'live') return undefined
  const { session } = status
  if (request.prompt.includes('login') || request.prompt.includes('select_account'))
    return undefined
  if (request.maxAgeSeconds !== undefined && !youngerThan(session, request.maxAgeSeconds, now))
    return undefined
  if (most !== undefined && now - session.authTime >= most) return undefined
  if (!meets(session.acr, request.acr)) return undefined
  if (request.sub !== undefined && request.sub !== session.sub) return undefined
  return session
}

/**
 * Returns whether the authentication is recent enough. Without auth_time (0) it never is, and
 * `max_age=0` means prompt=login.
 */
const youngerThan = ({ authTime }: Session, seconds: number, now: number): boolean =>
  authTime > 0 && seconds > 0 && now - authTime <= seconds

/** Returns whether the request demands a fresh authentication at Microsoft. */
export const wantsFresh = (request: SignInRequest): boolean =>
  request.prompt.includes('login') || request.maxAgeSeconds !== undefined

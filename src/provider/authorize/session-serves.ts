import type { Session, SessionStatus } from '../../../db/types.ts'
import { ACR_MFA } from '../../protocol/names.ts'
import type { SignInRequest } from './request.ts'

/**
 * Whether a browser's session answers a request without Microsoft: single sign-on. Undefined: it
 * does not.
 * @param most how old the user's authentication may be for the client
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
  if (request.acr && session.acr !== ACR_MFA) return undefined
  if (request.sub !== undefined && request.sub !== session.sub) return undefined
  return session
}

/**
 * `authTime` 0: Microsoft did not say when, and no age is young enough. A `max_age` of 0 means
 * prompt=login.
 */
const youngerThan = ({ authTime }: Session, seconds: number, now: number): boolean =>
  authTime > 0 && seconds > 0 && now - authTime <= seconds

/** Microsoft is asked to make the user prove themselves again. */
export const wantsFresh = (request: SignInRequest): boolean =>
  request.prompt.includes('login') || request.maxAgeSeconds !== undefined

import type { Session, Standing } from '../../db/types.ts'
import { ACR_MFA } from '../protocol/names.ts'
import type { SignInRequest } from './request.ts'

/** Whether a browser's session answers a request without Microsoft: single sign-on. Undefined: it does not. */
export function servingSession(standing: Standing, request: SignInRequest, now: number): Session | undefined {
  if (standing.state !== 'live') return undefined
  const { session } = standing
  if (request.prompt.includes('login') || request.prompt.includes('select_account')) return undefined
  // 0: Microsoft did not say when; then no age is young enough.
  const { maxAgeSeconds } = request
  if (maxAgeSeconds !== undefined && (session.authTime === 0 || now - session.authTime > maxAgeSeconds)) return undefined
  if (request.acr && session.acr !== ACR_MFA) return undefined
  if (request.sub !== undefined && request.sub !== session.sub) return undefined
  return session
}

/** Microsoft is asked to make the person prove themselves anew. */
export const wantsFresh = (request: SignInRequest): boolean => request.prompt.includes('login') || request.maxAgeSeconds !== undefined

import type { MicrosoftIdentity } from '../microsoft/interface.ts'
import type { Visit } from './sealed.ts'

/**
 * Whether a sign-in at Microsoft was fresh: the user entered their credentials after the browser had left. It refuses to believe in anything
 * but `auth_time`. `iat` says when the token was made (Entra sets it back by five minutes), which a user can have for an old sign-in by taking
 * `prompt=login` out of the address on its way through their browser.
 */

/** For whole seconds, and for what the offset of the clocks does not show. */
const SLACK_SECONDS = 5

type Proved = Pick<MicrosoftIdentity, 'authTime' | 'clockOffsetSeconds'>

/** When the user entered their credentials, by our clock. Undefined: Microsoft did not say, or its clock is not known. */
const enteredAt = ({ authTime, clockOffsetSeconds }: Proved): number | undefined =>
  authTime === undefined || clockOffsetSeconds === undefined ? undefined : authTime - clockOffsetSeconds

/** Whether the user entered them at that moment of our clock, or later. */
export function enteredSince(proved: Proved, at: number): boolean {
  const entered = enteredAt(proved)
  return entered !== undefined && entered >= at - SLACK_SECONDS
}

/** The head of the log when the fresh visit departed; 0: it was none. */
export const provenBy = ({ login }: Pick<Visit, 'login'>, proved: Proved): number =>
  login !== undefined && enteredSince(proved, login.at) ? login.seq : 0

/** Whether another visit may prove it. Where Microsoft was asked, and answered without asking the user, it would do so again. */
export function mayAskAgain({ asked, login }: Pick<Visit, 'asked' | 'login'>, proved: Proved): boolean {
  if (asked?.includes('fresh')) return false
  return login === undefined || proved.clockOffsetSeconds === undefined || enteredSince(proved, login.at)
}

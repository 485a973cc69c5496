import type { MicrosoftIdentity } from './interface.ts'

/**
 * When the user entered their credentials at Microsoft, by our clock. It refuses to believe in
 * anything but `auth_time`. `iat` says when the token was made (Entra sets it back by five
 * minutes), which a user can have for an old sign-in by taking `prompt=login` out of the address on
 * its way through their browser.
 */

/** For whole seconds, and for what the offset of the clocks does not show. */
const SLACK_SECONDS = 5

/** Whether it was at that moment or later. No: Microsoft did not say, or its clock is not known. */
export function enteredSince(
  { authTime, clockOffsetSeconds }: Pick<MicrosoftIdentity, 'authTime' | 'clockOffsetSeconds'>,
  at: number,
): boolean {
  return (
    authTime !== undefined &&
    clockOffsetSeconds !== undefined &&
    authTime - clockOffsetSeconds >= at - SLACK_SECONDS
  )
}

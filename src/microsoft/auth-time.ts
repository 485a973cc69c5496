import type { MicrosoftIdentity } from './interface.ts'

/**
 * Compares the time at which the user entered their credentials at Microsoft with the broker's
 * clock. Only `auth_time` counts. `iat` is the time at which the token was made (Entra sets it back
 * by five minutes), and a user can get a new token for an old sign-in by removing `prompt=login`
 * from the address in their browser.
 */

/** Tolerance for times in whole seconds and for the inaccuracy of the measured clock offset. */
const SLACK_SECONDS = 5

/**
 * Returns whether the user entered their credentials at that time or later. False if Microsoft did
 * not report the time, or if its clock offset is unknown.
 */
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

import type { QueuedMicrosoftWork } from '../../../../db/types.ts'
import { plural } from '../format.ts'

/** The words on requests to Microsoft that failed. */

export const WHAT: Record<QueuedMicrosoftWork['kind'], string> = {
  check_user: 'Look at a user',
  revoke_sessions: 'Sign a user out of Microsoft',
  revoke_reported: 'Sign a user out of Microsoft who reported a sign-in',
  tend_subscription: 'Renew the subscription',
}

export const FAILED = {
  title: 'Failed at Microsoft',
  newest: (most: number): string => `The newest ${most}; there may be more.`,
  again: 'Ask Microsoft again',
}

/** Says on the overview how many calls are retried. */
export const askedWords = (number: number): string =>
  `${plural(number, 'call')} to Microsoft will be retried now.`

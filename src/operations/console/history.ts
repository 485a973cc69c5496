import type { SecurityEvent } from '../../../db/types.ts'
import { isReason, REASON } from './format.ts'

/** Entries of a user's security history, as both consoles show them. */

export const HISTORY_ENTRIES = 30
/** The cursor of a page: time and id of its last entry. */
export const HISTORY_CURSOR = /^(\d{1,12})\.([\w-]{1,60})$/

export const cursorOf = ({ at, id }: SecurityEvent): string => `${at}.${id}`

/** @returns undefined where it is not a cursor: the history from its newest entry */
export function beforeOf(cursor = ''): { at: number; id: string } | undefined {
  const [, at, id = ''] = HISTORY_CURSOR.exec(cursor) ?? []
  return at === undefined ? undefined : { at: Number(at), id }
}

const KIND: Record<SecurityEvent['kind'], string> = {
  signed_in: 'Signed in',
  renewed: 'Signed in again',
  sign_in_rejected: 'Sign-in rejected',
  ended: 'Session ended',
  reported: 'Reported by the user',
}
export const happened = ({ kind, clientId }: SecurityEvent): string =>
  kind === 'ended' && clientId !== undefined ? 'Part of a session ended' : KIND[kind]

export const whyOf = ({ why }: SecurityEvent): string =>
  why === undefined ? '' : isReason(why) ? REASON[why] : why

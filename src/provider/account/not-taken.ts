import { messageOf } from '../../pages/message.tsx'
import type { Texts } from '../../pages/texts.ts'
import type { PageAnswer } from '../page-request.ts'

/** A form that is not taken: nothing was changed, and the account pages lead on. */
const notTaken = (
  status: 403 | 413,
  words: { title: string; what: string },
  t: Texts,
): PageAnswer =>
  messageOf({ ...words, status, links: [{ href: '/account', label: t.shared.whereSignedIn }] })

/** It is not from a page of ours in this browser. */
export const forged = (t: Texts): PageAnswer =>
  notTaken(403, { title: t.sessions.forgedTitle, what: t.sessions.forged }, t)

export const tooLong = (t: Texts): PageAnswer =>
  notTaken(413, { title: t.shared.requestUnusable, what: t.errors.tooLong }, t)

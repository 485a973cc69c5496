import { messageOf } from '../../pages/message.tsx'
import type { Texts } from '../../pages/texts.ts'
import type { PageAnswer } from '../page-request.ts'

/** Returns the page for a rejected form: nothing was changed, with a link to the account pages. */
const rejectedForm = (
  status: 403 | 413,
  words: { title: string; what: string },
  t: Texts,
): PageAnswer =>
  messageOf({ ...words, status, links: [{ href: '/account', label: t.shared.whereSignedIn }] })

/** Returns the page for a form that the broker's own page in this browser did not make. */
export const forged = (t: Texts): PageAnswer =>
  rejectedForm(403, { title: t.sessions.forgedTitle, what: t.sessions.forged }, t)

export const tooLong = (t: Texts): PageAnswer =>
  rejectedForm(413, { title: t.shared.requestUnusable, what: t.errors.tooLong }, t)

import type { EmailContent } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { textsFor, type Texts } from '../page/texts.ts'
import type { MessageKind } from './message-kind.ts'

/** Email to a user about their account, as a kind of message. It names no session and no cause of a security event, and its one link changes nothing. */

type Needs = Pick<Deps, 'config' | 'mailer'>

export const emails = (deps: Needs): MessageKind => ({
  async mint({ id, payload }) {
    const { from } = deps.config.email
    if (deps.mailer === undefined || from === undefined) return { rejected: 'email is not configured' }
    if (payload === undefined) return { rejected: 'its content was erased' }
    const { to, ...content } = JSON.parse(payload) as EmailContent & { to: string }
    const { issuer } = deps.config
    const t = textsFor(deps.config, content.language)
    const { subject, paragraphs, link } = wordsOf(content, issuer, t)
    const raw = await deps.mailer.compose({
      ...{ from, to, subject, messageId: `<${id}@${new URL(issuer).hostname}>`, date: new Date(content.atMs) },
      text: `${[...paragraphs, link].join('\n\n')}\n`,
      html: `<!doctype html><html lang="${t.language}" dir="${t.direction}"><meta charset="utf-8"><body>${paragraphs.map((one) => `<p>${escaped(one)}</p>`).join('')}<p><a href="${escaped(link)}">${escaped(link)}</a></p></body></html>`,
    })
    return { headers: { from, to }, body: raw, jti: id }
  },
  async send(_delivery, { headers: { from = '', to = '' }, body: raw }, { timeoutMs, signal }) {
    if (deps.mailer === undefined) throw new Error('Email is not configured.')
    const inTime = AbortSignal.timeout(timeoutMs)
    return deps.mailer.send({ from, to, raw }, signal === undefined ? inTime : AbortSignal.any([signal, inTime]))
  },
  judge({ status }) {
    if (status >= 200 && status < 300) return { outcome: 'delivered' }
    const error = `SMTP ${status}`
    // RFC 5321 §4.2.1: 5yz is permanent. Another message may well be taken, so the server is not down.
    return status >= 500 ? { outcome: 'rejected', code: error, error } : { outcome: 'retry', error, retryAfterSeconds: undefined, answered: true }
  },
})

const escaped = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)

/** `Tuesday 24 November 2026, 09:00 UTC` */
const moment = (atMs: number, { locale }: Texts): string => {
  const date = new Date(atMs)
  const day = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeZone: 'UTC' }).format(date)
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`
}

function wordsOf(content: EmailContent, issuer: string, t: Texts): { subject: string; paragraphs: string[]; link: string } {
  const at = moment(content.atMs, t)
  const link = `${issuer}/account`
  if (content.template === 'new_device')
    return { subject: t.email.newDevice.subject, paragraphs: [t.email.newDevice.what(content.device ?? '', at), t.email.ifYou, t.email.ifNot], link }
  if (content.template === 'signed_out_everywhere')
    return { subject: t.email.everywhere.subject, paragraphs: [t.email.everywhere.what(at), t.email.ifYou, t.email.everywhere.ifNot], link }
  return { subject: t.email.locked.subject, paragraphs: [t.email.locked.what(at), t.email.locked.next], link }
}

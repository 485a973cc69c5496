import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Random } from '../protocol/ids.ts'
import { LinkButton } from './components.tsx'
import { page } from './layout.tsx'
import { textsOf } from './texts.ts'

/** A page that says one thing: what happened, what to do next, and a reference by which the operator finds the log line. */
export interface Message {
  title: string
  status: ContentfulStatusCode
  /** In the reader's words; no codes, nothing that helps an outsider. */
  what: Child
  /** What the reader can do now. */
  next?: Child | undefined
  /** From `newReference`; log it with the event. */
  reference?: string | undefined
  /** Microsoft's own number, where support will ask for it. */
  code?: string | undefined
  links?: readonly { href: string; label: string }[] | undefined
  simulated?: boolean | undefined
}

/** Short enough to read out on the telephone: no vowels, no digits that look like letters. */
export function newReference(random: Random): string {
  const letters = 'BCDFGHJKMNPQRSTVWXZ23456789'
  const read = [...random(8)].map((byte) => letters[byte % letters.length]).join('')
  return `${read.slice(0, 4)}-${read.slice(4)}`
}

export function messagePage(c: Context, message: Message): Response {
  const t = textsOf(c)
  return page(
    c,
    { title: message.title, status: message.status, simulated: message.simulated },
    <>
      <div class="stack">
        <p>{message.what}</p>
        {message.next === undefined ? null : <p>{message.next}</p>}
      </div>
      {message.links === undefined || message.links.length === 0 ? null : (
        <div class="row">
          {message.links.map((link, index) => (
            <LinkButton href={link.href} kind={index === 0 ? 'primary' : 'quiet'}>
              {link.label}
            </LinkButton>
          ))}
        </div>
      )}
      {message.reference === undefined ? null : <p class="soft small">{t.message.reference(<code>{message.reference}</code>)}</p>}
      {message.code === undefined ? null : <p class="soft small">{t.message.code(message.code)}</p>}
    </>,
  )
}

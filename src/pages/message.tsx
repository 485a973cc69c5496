import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Random } from '../runtime/ids.ts'
import { LinkButton } from './components.tsx'
import { page, type PageOptions } from './layout.tsx'
import { useTexts } from './texts.ts'

/**
 * A page with one message: what happened, what to do next, and a reference by which the operator
 * finds the log line.
 */
export interface Message {
  title: string
  status: ContentfulStatusCode
  /** The message in plain words, without codes and without anything that helps an attacker. */
  what: Child
  /** The reader's next step. */
  next?: Child | undefined
  /** A reference from `newReference`, which must be logged with the event. */
  reference?: string | undefined
  /** Technical details for an administrator. */
  detail?: Child
  links?: readonly { href: string; label: string }[] | undefined
  config: PageOptions['config']
  /** The severity. Default: by the status, a warning for 4xx and an error for 5xx. */
  mark?: PageOptions['mark']
}

/**
 * Spells random bytes as a reference that is short enough to read out on the telephone: no vowels,
 * and no digits that look like letters.
 */
export function spelled(bytes: Uint8Array): string {
  const letters = 'BCDFGHJKMNPQRSTVWXZ23456789'
  const read = [...bytes.subarray(0, 8)].map((byte) => letters[byte % letters.length]).join('')
  return `${read.slice(0, 4)}-${read.slice(4)}`
}

export const newReference = (random: Random): string => spelled(random(8))

/** A button that copies the text of an element. A script shows it. */
export const CopyButton = ({ of, children }: { of: string; children: Child }) => {
  const t = useTexts()
  const shown = { 'data-copies': of, 'data-copied': t.message.copied, hidden: true }
  return (
    <button type="button" class="button quiet small" {...shown}>
      {children}
    </button>
  )
}

/**
 * The reference that the user gives to support, with a button to copy it and a link to that
 * support.
 */
export function ForSupport({
  support,
  reference,
}: {
  support: string | undefined
  reference: string | undefined
}) {
  const t = useTexts()
  if (reference === undefined) return null
  return (
    <div class="support">
      <p class="soft small">
        {t.message.reference({ reference: <code id="reference">{reference}</code> })}
      </p>
      <div class="row">
        <CopyButton of="reference">{t.message.copy}</CopyButton>
        {support === undefined ? null : (
          <a class="small" href={support}>
            {t.layout.helpAt({ where: support.replace(/^(?:mailto|tel):|^https:\/\//, '') })}
          </a>
        )}
      </div>
    </div>
  )
}

/** The message as a page; an endpoint that has the request itself sends it by `messagePage`. */
export const messageOf = (message: Omit<Message, 'config'>, support?: string) => ({
  page: {
    title: message.title,
    status: message.status,
    mark:
      message.mark ?? (message.status >= 500 ? 'bad' : message.status >= 400 ? 'warn' : undefined),
  } satisfies Partial<PageOptions>,
  body: <Words message={message} support={support} />,
})

export function messagePage(c: Context, { config, ...message }: Message): Response {
  const { page: options, body } = messageOf(message, config.look.support)
  return page(c, { ...options, config }, body)
}

function Words({
  message,
  support,
}: {
  message: Omit<Message, 'config'>
  support: string | undefined
}) {
  const t = useTexts()
  return (
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
      <ForSupport support={support} reference={message.reference} />
      {message.detail === undefined ? null : (
        <p class="soft small">{t.errors.detail({ detail: message.detail })}</p>
      )}
    </>
  )
}

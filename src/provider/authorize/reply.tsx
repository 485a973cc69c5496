import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { readAsset } from '../../pages/assets.ts'
import { Button, HiddenFields, LinkButton } from '../../pages/components.tsx'
import { page } from '../../pages/layout.tsx'
import { textsOf } from '../../pages/texts.ts'
import type { OAuthError } from '../../protocol/error.ts'
import { inLocation } from '../location.ts'

/**
 * The authorization response (RFC 6749 §4.1.2, with `iss` of RFC 9207), in the mode that was asked
 * for. Refuses nothing: the caller has made sure that the address is registered.
 */

export interface Reply {
  redirectUri: string
  mode: 'query' | 'form_post'
  state?: string | undefined
}

export type Content = { code: string } | Pick<OAuthError, 'code' | 'message'>

function fields(issuer: string, reply: Reply, content: Content): Record<string, string> {
  const own: Record<string, string> =
    'message' in content
      ? { error: content.code, error_description: content.message }
      : { code: content.code }
  return { ...own, ...(reply.state === undefined ? {} : { state: reply.state }), iss: issuer }
}

/**
 * Parameters are appended to the registered address as it is: parsing it would change letters of
 * it.
 */
const address = (reply: Reply, content: Record<string, string>): string =>
  `${reply.redirectUri}${reply.redirectUri.includes('?') ? '&' : '?'}${new URLSearchParams(content)}`

const SUBMIT = readAsset(import.meta.url, './submit.js')

export function answerInstance(
  deps: Pick<Deps, 'config'>,
  c: Context,
  reply: Reply,
  content: Content,
): Response {
  const all = fields(deps.config.issuer, reply, content)
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'no-referrer')
  // 303 and never 307 (RFC 9700 §4.12): what the browser sent to us goes no further.
  if (reply.mode === 'query') return c.redirect(inLocation(address(reply, all)), 303)
  const t = textsOf(c, deps.config)
  return page(
    c,
    { title: t.reply.title, formAction: [reply.redirectUri], script: SUBMIT, config: deps.config },
    <form class="stack" method="post" action={reply.redirectUri}>
      <HiddenFields fields={all} />
      <p>{t.reply.noScript}</p>
      <Button>{t.shared.continue}</Button>
    </form>,
  )
}

/** The redirect for a user who does not sign in: the instance gets the error. */
export function WayBack({
  deps,
  reply,
  answer,
  label,
}: {
  deps: Pick<Deps, 'config'>
  reply: Reply
  answer: Content
  label: string
}) {
  const content = fields(deps.config.issuer, reply, answer)
  if (reply.mode === 'query') {
    return (
      <LinkButton href={address(reply, content)} kind="quiet">
        {label}
      </LinkButton>
    )
  }
  return (
    <form method="post" action={reply.redirectUri}>
      <HiddenFields fields={content} />
      <Button kind="quiet">{label}</Button>
    </form>
  )
}

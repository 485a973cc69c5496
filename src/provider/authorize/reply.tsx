import type { Deps } from '../deps.ts'
import { readAsset } from '../../pages/assets.ts'
import { Button, HiddenFields, LinkButton } from '../../pages/components.tsx'
import type { PageAnswer, PageView } from '../page-request.ts'
import type { OAuthError } from '../../protocol/error.ts'

/**
 * The authorization response (RFC 6749 §4.1.2, with `iss` of RFC 9207) in the requested mode. The
 * caller has checked that the redirect_uri is registered.
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

/** Appends the parameters to the registered address as text. A URL parser would normalize it. */
const address = (reply: Reply, content: Record<string, string>): string =>
  `${reply.redirectUri}${reply.redirectUri.includes('?') ? '&' : '?'}${new URLSearchParams(content)}`

const SUBMIT = readAsset(import.meta.url, './submit.js')

export function answerInstance(
  { config }: Pick<Deps, 'config'>,
  { t }: PageView,
  reply: Reply,
  content: Content,
): PageAnswer {
  const all = fields(config.issuer, reply, content)
  if (reply.mode === 'query') return { to: address(reply, all), hidesReferrer: true }
  return {
    page: { title: t.reply.title, formAction: [reply.redirectUri], script: SUBMIT },
    body: (
      <form class="stack" method="post" action={reply.redirectUri}>
        <HiddenFields fields={all} />
        <p>{t.reply.noScript}</p>
        <Button>{t.shared.continue}</Button>
      </form>
    ),
  }
}

/** A link or form that returns a user who does not sign in: the instance gets the error. */
export function ReturnToApp({
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

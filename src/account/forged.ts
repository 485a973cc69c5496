import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { messagePage } from '../page/message.tsx'
import { textsOf } from '../page/texts.ts'

/** The answer to a form that is not from a page of ours in this browser: nothing was changed. */
export function forged(deps: Pick<Deps, 'config'>, c: Context): Response {
  const t = textsOf(c, deps.config)
  return messagePage(c, {
    title: t.sessions.forgedTitle,
    status: 403,
    what: t.sessions.forged,
    links: [{ href: '/account', label: t.shared.whereSignedIn }],
    config: deps.config,
  })
}

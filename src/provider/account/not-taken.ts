import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { messagePage } from '../../pages/message.tsx'
import { textsOf, type Texts } from '../../pages/texts.ts'

type Words = { title: string; what: string }

/** A form that is not taken: nothing was changed, and the account pages lead on. */
function notTaken(
  deps: Pick<Deps, 'config'>,
  c: Context,
  status: 403 | 413,
  words: (t: Texts) => Words,
): Response {
  const t = textsOf(c, deps.config)
  return messagePage(c, {
    ...words(t),
    status,
    links: [{ href: '/account', label: t.shared.whereSignedIn }],
    config: deps.config,
  })
}

/** It is not from a page of ours in this browser. */
export const forged = (deps: Pick<Deps, 'config'>, c: Context): Response =>
  notTaken(deps, c, 403, (t) => ({ title: t.sessions.forgedTitle, what: t.sessions.forged }))

export const tooLong = (deps: Pick<Deps, 'config'>, c: Context): Response =>
  notTaken(deps, c, 413, (t) => ({ title: t.shared.requestUnusable, what: t.errors.tooLong }))

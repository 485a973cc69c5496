import type { Context } from 'hono'
import type { Deps } from './deps.ts'
import { messagePage } from './message.tsx'
import { textsOf } from './texts.ts'

/**
 * Returns the 404 page for a browser.
 * @param console the link for an operator; if undefined, the page is for a user and links to their
 * apps
 */
export function nothingHere(
  { config }: Pick<Deps, 'config'>,
  c: Context,
  console: string | undefined,
): Response {
  const t = textsOf(c, config)
  const home =
    console === undefined
      ? { href: '/', label: t.nothing.home }
      : { href: console, label: 'Go to the console' }
  return messagePage(c, {
    title: t.nothing.title,
    status: 404,
    what: t.nothing.what,
    links: [home],
    config,
  })
}

import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { messagePage } from './message.tsx'
import { textsOf } from './texts.ts'

/** For a browser at an address that has no page. */
export function nothingHere({ config }: Pick<Deps, 'config'>, c: Context, home: string): Response {
  const t = textsOf(c, config)
  return messagePage(c, { title: t.nothing.title, status: 404, what: t.nothing.what, links: [{ href: home, label: t.nothing.home }], config })
}

import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { chooseLanguage } from '../../pages/texts.ts'

/** The choice of a language, from any page: back to that page, if it is one of ours that can be opened again. */
export async function takeLanguage({ config }: Pick<Deps, 'config'>, c: Context): Promise<Response> {
  chooseLanguage(c, config, new URLSearchParams(await c.req.text()).get('language'))
  c.header('Cache-Control', 'no-store')
  return c.redirect(cameFrom(c, config.issuer), 303)
}

/** The path alone: no page of another origin is gone back to. */
function cameFrom(c: Context, issuer: string): string {
  const from = c.req.header('Referer') ?? ''
  if (!URL.canParse(from)) return '/account'
  const { origin, pathname, search } = new URL(from)
  return origin === issuer && !pathname.startsWith('//') ? `${pathname}${search}` : '/account'
}

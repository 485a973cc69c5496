import { Hono } from 'hono'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { adminApi } from './api.ts'
import type { AdminEnv } from './route.ts'

/**
 * Only the broker's own user and root can open the socket. Node does not tell the peer's uid
 * (SO_PEERCRED), so the name that `cmb` sends (SUDO_USER, or the user's own) is a claim, and the
 * logs say so.
 */
export function localApi(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>()
  app.use('*', async (c, next) => {
    const user = /^[\w.@-]{1,64}$/.exec(c.req.header('x-cmb-user') ?? '')?.[0] ?? 'unknown'
    c.set('caller', {
      actor: { kind: 'operator', id: `cmb@${user} (unverified)` },
      source: 'command',
      via: 'command',
      may: 'administer',
    })
    return next()
  })
  app.route('/', adminApi(deps, checks))
  return app
}

import { type Context, Hono } from 'hono'
import { recordRejected } from '../../audit/record.ts'
import type { Caller } from '../../audit/caller.ts'
import { clientByToken } from '../../clients/own-token.ts'
import { Problem, problemOf, problemResponse } from '../../audit/problem.ts'
import { methodsAt } from '../../protocol/described.ts'
import { adminAudience } from '../../protocol/names.ts'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { ACTS } from '../contract/acts.ts'
import { type AdminEnv, mount } from './mount.ts'

/** The admin API over HTTP, for clients with an access token of a `broker:` scope. */
export function adminEndpoints(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const endpoints = new Hono<AdminEnv>()
  endpoints.use('/admin/v1/*', async (c, next) => {
    const caller = await callerByToken(deps, c.req.header('authorization'), deps.clock.now())
    if (caller === undefined) return notAuthenticated()
    c.set('caller', caller)
    return next()
  })
  endpoints.route('/', adminApi(deps, checks))
  return endpoints
}

/**
 * Returns the client that authenticates by `Authorization: Bearer`, with its own token for the
 * admin API.
 */
async function callerByToken(
  deps: Deps,
  authorization: string | undefined,
  now: number,
): Promise<Caller | undefined> {
  const found = await clientByToken(deps, authorization, {
    audience: adminAudience(deps.config.issuer),
    now,
  })
  if (found === undefined) return undefined
  const { client, granted } = found
  const may = (['administer', 'operate', 'audit'] as const).find((right) =>
    granted.includes(`broker:${right}`),
  )
  return may === undefined
    ? undefined
    : { actor: { kind: 'client', id: client.clientId }, source: 'api', via: 'api', may }
}

/** The answer to a request without a valid token (RFC 6750 §3). */
const notAuthenticated = (): Response =>
  problemResponse(
    new Problem(
      401,
      'No valid access token',
      'Ask POST /token for one: grant_type=client_credentials with the scope broker:audit, broker:operate or broker:administer.',
    ),
    {
      'WWW-Authenticate':
        'Bearer realm="admin", scope="broker:audit broker:operate broker:administer"',
    },
  )

/**
 * The admin API, /admin/v1: one set of routes for the unix socket of `cmb` and for HTTP with an
 * access token. It ends sessions only by `revoke`. It rejects requests without a caller, and
 * changes to a registration of another source.
 */
export function adminApi(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const api = new Hono<AdminEnv>()
  const denied = deniedActs(deps)
  api.onError(async (error, c) => {
    await denied(error, c)
    return problemOf(error, deps.log, c)
  })
  // Added before the routes, because later middleware does not run for their answers.
  api.use('/admin/v1/*', async (c, next) => {
    await next()
    c.header('Cache-Control', 'no-store')
  })
  for (const act of ACTS) mount(api, { deps, checks }, act)
  api.all('/admin/v1/*', (c) => {
    const methods = methodsAt(api, c.req.path)
    if (methods.length === 0)
      return problemResponse(
        new Problem(
          404,
          'No such endpoint',
          'The admin API has no endpoint at this address; /openapi.json lists all of them.',
        ),
      )
    const allow = methods.join(', ')
    return problemResponse(
      new Problem(405, 'Method not allowed', `Use ${methods.join(' or ')} at this address.`),
      { Allow: allow },
    )
  })
  return api
}

const DENIED_SECONDS = 60
const MOST_DENIED = 1_000

/**
 * Records rejected requests (403) in the audit log: each caller and path at most once a minute.
 */
function deniedActs(deps: Deps): (problem: unknown, c: Context<AdminEnv>) => Promise<void> {
  const until = new Map<string, number>()
  return async (problem, c) => {
    const caller = c.get('caller') as Caller | undefined
    if (!(problem instanceof Problem) || problem.status !== 403 || caller === undefined) return
    const now = deps.clock.now()
    const target = `${c.req.method} ${c.req.path}`.slice(0, 200)
    const key = `${caller.actor.id} ${target}`
    if ((until.get(key) ?? 0) > now) return
    if (until.size >= MOST_DENIED) until.clear()
    until.set(key, now + DENIED_SECONDS)
    const { title, message: detail } = problem
    const entry = { act: 'api.denied', target }
    await recordRejected(deps, caller, entry, { title, detail }).catch(() => undefined)
  }
}

/**
 * The admin API over the unix socket, which only the broker's own user and root can open. Node does
 * not expose the peer's uid, so the name that `cmb` sends is unverified, and the logs say so.
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

import { Hono } from 'hono'
import { z } from 'zod'
import { clientIdSchema } from '../client/metadata-fields.ts'
import { parseClientMetadata, toWire } from '../client/metadata.ts'
import type { Deps } from '../deps.ts'
import type { ClientMetadata } from '../protocol/client-metadata.ts'
import { jsonBody, query, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { add, change, known, remove, removeSecret, rotateSecret, shown } from '../acts/clients.ts'
import { Problem } from '../acts/problem.ts'

/** Registering instances. A secret is in exactly one answer, the one that made it; a registration is changed only from where it came. */

const record = z.record(z.string(), z.unknown())

export function clientRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/clients', async (c) => {
    callerOf(c, 'operate')
    return c.json({ clients: (await deps.store.listClients()).map(shown) })
  })
  routes.get('/clients/:id', async (c) => {
    callerOf(c, 'operate')
    return c.json(shown(await known(deps, c.req.param('id'))))
  })
  routes.post('/clients', async (c) => {
    const caller = callerOf(c, 'administer')
    const { client_id: id, ...wire } = shaped(record, await jsonBody(c))
    const { client_id: checked } = shaped(z.object({ client_id: clientIdSchema }), { client_id: id })
    return c.json(await add(deps, caller, checked, metadata(deps, checked, wire)), 201)
  })
  routes.put('/clients/:id', async (c) => {
    const caller = callerOf(c, 'administer')
    const { clientId } = await known(deps, c.req.param('id'))
    return c.json(shown(await change(deps, caller, clientId, metadata(deps, clientId, withoutId(shaped(record, await jsonBody(c)))))))
  })
  routes.patch('/clients/:id', async (c) => {
    const caller = callerOf(c, 'administer')
    const before = await known(deps, c.req.param('id'))
    const merged = mergePatch(withoutId(toWire(before)), withoutId(shaped(record, await jsonBody(c))))
    return c.json(shown(await change(deps, caller, before.clientId, metadata(deps, before.clientId, merged))))
  })
  routes.post('/clients/:id/secrets', async (c) => c.json(await rotateSecret(deps, callerOf(c, 'administer'), c.req.param('id')), 201))
  routes.delete('/clients/:id/secrets/:secret', async (c) =>
    c.json(await removeSecret(deps, callerOf(c, 'administer'), c.req.param('id'), c.req.param('secret'))),
  )
  routes.delete('/clients/:id', async (c) => {
    const caller = callerOf(c, 'administer')
    const { source } = query(c, z.object({ source: z.enum(['file', 'command', 'api', 'demo']).optional() }))
    return c.json(await remove(deps, caller, c.req.param('id'), source))
  })
  return routes
}

/** What is not metadata but stands beside it in an answer, so that an answer can be edited and sent back. */
function withoutId(wire: Record<string, unknown>): Record<string, unknown> {
  const { client_id: _id, source: _source, secrets: _secrets, created_at: _created, updated_at: _updated, client_secret: _secret, ...rest } = wire
  return rest
}

/** RFC 7396, one level deep: metadata has no deeper one that is patched by halves. */
function mergePatch(before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null))
}

function metadata(deps: Deps, clientId: string, wire: Record<string, unknown>): ClientMetadata {
  const parsed = parseClientMetadata(wire, { clientId, allowLoopback: deps.config.allowLoopbackTargets })
  if (parsed.ok) return parsed.metadata
  throw new Problem(422, 'The registration has a problem', parsed.problems.join(' '), parsed.problems)
}

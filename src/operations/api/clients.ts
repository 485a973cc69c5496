import { Hono } from 'hono'
import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { clientRegistrationSchema, parseClientMetadata, toWire } from '../../clients/metadata.ts'
import type { Deps } from '../deps.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { seconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { dryRun, dryRunOfChange, dryRunShown } from './preview.ts'
import { named, ok, route } from './route.ts'
import { add, change, known, previewedChange, remove, removeSecret, rotateSecret, shown } from '../acts/clients.ts'
import type { Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Registering instances. A secret is in exactly one answer, the one that made it; a registration is changed only from where it came. */

/** What is not metadata but is beside it in an answer, so that an answer can be edited and sent back. */
const beside = {
  source: z.string().meta({ description: 'who owns the registration: file, command, api, demo or broker' }),
  secrets: z.array(z.object({ id: z.string(), created_at: seconds, expires_at: seconds.optional() })),
  created_at: seconds,
  updated_at: seconds,
}
const ignored = Object.fromEntries([...Object.keys(beside), 'client_secret'].map((name) => [name, z.unknown().optional()]))
const registration = clientRegistrationSchema.extend({ ...ignored, dry_run: dryRun }).meta({
  id: 'Registration',
  description: 'A client’s registration (RFC 7591 §2 where it has a name for it). What an answer has beside it may be sent back, and is ignored.',
})
const added = clientRegistrationSchema.extend({ ...ignored, client_id: clientIdSchema }).meta({ id: 'NewRegistration' })
const patch = z.looseObject({ dry_run: dryRun })
const client = clientRegistrationSchema.extend({ client_id: clientIdSchema, ...beside }).meta({ id: 'Client' })
const withSecret = client
  .extend({ client_secret: z.string().optional().meta({ description: 'in this answer only' }) })
  .meta({ id: 'ClientWithSecret' })
const oneSecret = z.strictObject({ ...named.shape, secret: storedText().max(200) })
const removed = z.object({ client_id: z.string(), removed: z.literal(true), seq: z.int(), notes: z.array(z.string()) })
const fromSource = z.strictObject({
  source: z.enum(['file', 'command', 'api', 'demo']).optional().meta({ description: 'whose registration it is, where it is not the admin API’s' }),
})
const reading = { may: 'operate' } as const
const changing = { may: 'administer', params: named, rejects: [404, 409, 422] } as const
const changed = { 200: ok('As it is now.', client) }
const changedOrDry = { 200: ok('A dry run, or as it is now.', z.union([dryRunOfChange, client])) }

export function clientRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  const list = {
    id: 'listClients',
    summary: 'Lists the registered clients',
    ...reading,
    answers: { 200: ok('All of them.', z.object({ clients: z.array(client) })) },
  }
  route(routes, 'get', '/clients', list, async (_, c) => c.json({ clients: (await deps.store.listClients()).map(shown) }))
  const read = {
    id: 'readClient',
    summary: 'Shows one client',
    ...reading,
    params: named,
    answers: { 200: ok('Its registration.', client) },
    rejects: [404] as const,
  }
  route(routes, 'get', '/clients/:id', read, async ({ params }, c) => c.json(shown(await known(deps, params.id))))
  changeRoutes(deps, routes)
  secretRoutes(deps, routes)
  const remover = {
    id: 'removeClient',
    summary: 'Removes a client and revokes what it holds',
    ...changing,
    query: fromSource,
    answers: { 200: ok('Removed.', removed) },
  }
  route(routes, 'delete', '/clients/:id', remover, async ({ caller, params, query }, c) =>
    c.json(await remove(deps, caller, params.id, query.source)),
  )
  return routes
}

function changeRoutes(deps: Deps, routes: Hono<AdminEnv>): void {
  const adding = {
    id: 'addClient',
    summary: 'Registers a client; its secret is in this answer only',
    may: 'administer' as const,
    body: added,
    answers: { 201: ok('Registered.', withSecret) },
    rejects: [409, 422] as const,
  }
  route(routes, 'post', '/clients', adding, async ({ caller, body: { client_id: id, ...wire } }, c) =>
    c.json(await add(deps, caller, id, metadata(deps, id, withoutId(wire))), 201),
  )
  const changeTo = async (id: string, wire: Record<string, unknown>, { caller, dry }: { caller: Caller; dry: boolean }) => {
    const wanted = metadata(deps, id, wire)
    return dry ? dryRunShown(deps, await previewedChange(deps, caller, id, wanted)) : shown(await change(deps, caller, id, wanted))
  }
  const replacing = {
    id: 'replaceClient',
    summary: 'Replaces a registration that the admin API made',
    ...changing,
    body: registration,
    answers: changedOrDry,
  }
  route(routes, 'put', '/clients/:id', replacing, async ({ caller, params, body: { dry_run: dry, ...wire } }, c) => {
    const { clientId } = await known(deps, params.id)
    return c.json(await changeTo(clientId, withoutId(wire), { caller, dry }))
  })
  const summary = 'Changes fields of a registration; null removes one (RFC 7396, first level)'
  const patching = { id: 'changeClient', summary, ...changing, body: patch, type: 'application/merge-patch+json' as const, answers: changedOrDry }
  route(routes, 'patch', '/clients/:id', patching, async ({ caller, params, body: { dry_run: dry, ...wire } }, c) => {
    const before = await known(deps, params.id)
    const merged = mergePatch(withoutId(toWire(before)), withoutId(wire))
    return c.json(await changeTo(before.clientId, merged, { caller, dry }))
  })
}

function secretRoutes(deps: Deps, routes: Hono<AdminEnv>): void {
  const rejects = [404, 409] as const
  const adding = {
    id: 'addClientSecret',
    summary: 'Adds a second secret; both work until one is removed',
    ...changing,
    rejects,
    answers: { 201: ok('The secret, in this answer only.', withSecret) },
  }
  route(routes, 'post', '/clients/:id/secrets', adding, async ({ caller, params }, c) => c.json(await rotateSecret(deps, caller, params.id), 201))
  const removing = { id: 'removeClientSecret', summary: 'Removes a secret', ...changing, rejects, params: oneSecret, answers: changed }
  route(routes, 'delete', '/clients/:id/secrets/:secret', removing, async ({ caller, params }, c) =>
    c.json(await removeSecret(deps, caller, params.id, params.secret)),
  )
}

const withoutId = (wire: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(wire).filter(([name]) => name !== 'client_id' && !(name in ignored)))

/** JSON merge patch (RFC 7396), top level only. */
function mergePatch(before: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null))
}

function metadata(deps: Deps, clientId: string, wire: Record<string, unknown>): ClientMetadata {
  const parsed = parseClientMetadata(wire, { clientId, allowLoopback: deps.config.allowLoopbackTargets })
  if (parsed.ok) return parsed.metadata
  throw new Problem(422, 'The registration has a problem', parsed.problems.join(' '), parsed.problems)
}

import { Hono } from 'hono'
import { z } from 'zod'
import { clientIdSchema } from '../client/metadata-fields.ts'
import { parseClientMetadata, toWire } from '../client/metadata.ts'
import { newClientSecret } from '../client/secret.ts'
import type { Deps } from '../deps.ts'
import type { Client, ClientMetadata, ClientSource, SecretHash } from '../protocol/client-metadata.ts'
import { announce } from '../revocation/revoke.ts'
import { jsonBody, query, shaped } from './body.ts'
import { callerOf, type AdminEnv, type Caller } from './caller.ts'
import { Problem } from './problem.ts'

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
    return c.json(shown(await put(deps, caller, clientId, metadata(deps, clientId, withoutId(shaped(record, await jsonBody(c)))))))
  })
  routes.patch('/clients/:id', async (c) => {
    const caller = callerOf(c, 'administer')
    const before = await known(deps, c.req.param('id'))
    const merged = mergePatch(withoutId(toWire(before)), withoutId(shaped(record, await jsonBody(c))))
    return c.json(shown(await put(deps, caller, before.clientId, metadata(deps, before.clientId, merged))))
  })
  routes.post('/clients/:id/secrets', async (c) => c.json(await rotateSecret(deps, callerOf(c, 'administer'), c.req.param('id')), 201))
  routes.delete('/clients/:id/secrets/:secret', async (c) => {
    const caller = callerOf(c, 'administer')
    const client = mine(await known(deps, c.req.param('id')), caller)
    const removed = await deps.store.removeClientSecret({ clientId: client.clientId, secretId: c.req.param('secret') })
    if (!removed)
      throw new Problem(404, 'No such secret', `${client.clientId} has no secret of that id; GET /admin/v1/clients/${client.clientId} lists them.`)
    await changed(deps, caller, client.clientId, 'secret_removed')
    return c.json(shown(await known(deps, client.clientId)))
  })
  routes.delete('/clients/:id', async (c) => {
    const caller = callerOf(c, 'administer')
    const { source } = query(c, z.object({ source: z.enum(['file', 'command', 'api', 'demo']).optional() }))
    return c.json(await remove(deps, caller, c.req.param('id'), source))
  })
  return routes
}

/** As an operator sees it: the wire's own metadata, and of secrets only that they are there. */
function shown(client: Client): Record<string, unknown> {
  const secrets = client.secrets.map((secret) => ({
    id: secret.id,
    created_at: secret.createdAt,
    ...(secret.expiresAt === undefined ? {} : { expires_at: secret.expiresAt }),
  }))
  return { ...toWire(client), source: client.source, secrets, created_at: client.createdAt, updated_at: client.updatedAt }
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

async function known(deps: Deps, id: string): Promise<Client> {
  const client = await deps.store.findClient(id)
  if (client !== undefined && client.removedAt === undefined) return client
  throw new Problem(404, 'No such client', 'No client of that id is registered; GET /admin/v1/clients (cmb clients list) lists those that are.')
}

const WHERE: Record<ClientSource, string> = {
  file: 'the clients file: change it there',
  command: 'the cmb command: change it with cmb clients',
  api: 'the admin API: change it over HTTP',
  demo: 'the demo: it lasts as long as the demo runs',
}

const foreign = (id: string, source: ClientSource): Problem => new Problem(409, 'Registered elsewhere', `${id} belongs to ${WHERE[source]}.`)

function mine(client: Client, caller: Caller): Client {
  if (client.source === caller.source) return client
  throw foreign(client.clientId, client.source)
}

const usesSecret = (one: ClientMetadata): boolean => one.authMethod === 'client_secret_basic' || one.authMethod === 'client_secret_post'

async function add(deps: Deps, caller: Caller, id: string, one: ClientMetadata): Promise<Record<string, unknown>> {
  const before = await deps.store.findClient(id)
  if (before !== undefined && before.removedAt === undefined) {
    throw new Problem(
      409,
      'That client is there already',
      `${id} is registered, from ${WHERE[before.source]}. Choose another client_id, or change it with PUT or PATCH.`,
    )
  }
  const made = usesSecret(one) ? newClientSecret(deps.random, deps.clock.now()) : undefined
  const client = await put(deps, caller, id, one, made === undefined ? [] : [made.hash])
  return { ...shown(client), ...(made === undefined ? {} : { client_secret: made.secret }) }
}

async function put(deps: Deps, caller: Caller, id: string, one: ClientMetadata, secrets?: SecretHash[]): Promise<Client> {
  const answer = await deps.store.putClient({ clientId: id, source: caller.source, metadata: one, secrets, now: deps.clock.now() })
  if (answer.outcome === 'foreign') throw foreign(id, answer.source)
  await changed(deps, caller, id, answer.outcome)
  return answer.client
}

async function rotateSecret(deps: Deps, caller: Caller, id: string): Promise<Record<string, unknown>> {
  const client = mine(await known(deps, id), caller)
  if (!usesSecret(client.metadata))
    throw new Problem(409, 'No secret to rotate', `${id} authenticates by ${client.metadata.authMethod}, without a secret.`)
  const { secret, hash } = newClientSecret(deps.random, deps.clock.now())
  if (!(await deps.store.addClientSecret({ clientId: id, secret: hash, now: deps.clock.now() })))
    throw new Problem(404, 'No such client', `${id} was removed meanwhile.`)
  await changed(deps, caller, id, 'secret_rotated')
  return { ...shown(await known(deps, id)), client_secret: secret }
}

async function remove(deps: Deps, caller: Caller, id: string, source: ClientSource | undefined): Promise<Record<string, unknown>> {
  const now = deps.clock.now()
  const answer = await deps.store.removeClient({ clientId: id, source: source ?? caller.source, actor: caller.actor, now })
  if (answer.outcome === 'unknown')
    throw new Problem(404, 'No such client', 'No client of that id is registered; GET /admin/v1/clients (cmb clients list) lists those that are.')
  if (answer.outcome === 'foreign') {
    const { message } = foreign(id, answer.source)
    throw new Problem(
      409,
      'Registered elsewhere',
      `${message} To remove it all the same, name its source: ?source=${answer.source} (cmb clients remove ${id} --source ${answer.source}).`,
    )
  }
  announce(deps, [answer.committed])
  await changed(deps, caller, id, 'removed')
  const notes =
    source === 'file'
      ? ['While it stands in the clients file, the next change of that file or the next start registers it again: take it out there too.']
      : []
  return { client_id: id, removed: true, seq: answer.committed.revocation.seq, notes }
}

async function changed(deps: Deps, caller: Caller, id: string, how: string): Promise<void> {
  await deps.clients.reload()
  deps.log.info('client_changed', { client: id, how, actorKind: caller.actor.kind, actor: caller.actor.id, source: caller.source })
}

import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { parseClientMetadata, toWire } from '../../clients/metadata.ts'
import { Problem } from '../../clients/problem.ts'
import type { ClientMetadata } from '../../protocol/client-metadata.ts'
import { text } from '../../protocol/described.ts'
import { lockKey } from '../../protocol/lock-target.ts'
import { storedText } from '../../protocol/stored-text.ts'
import {
  add,
  change,
  known,
  previewedChange,
  remove,
  removeSecret,
  rotateSecret,
  shown,
} from '../acts/clients.ts'
import { openLocks } from '../acts/names.ts'
import { dryRunShown } from '../acts/revocations.ts'
import { dryRun, named } from './fields.ts'
import { besideMetadata, client, described } from './registration.ts'
import { dryRunOfChange, lock } from './shapes.ts'
import { shown as shownLock } from './wire.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/**
 * Registrations of instances. A secret is only in the answer that created it; only the source of a
 * registration changes it.
 */

const MOST_LOCKS = 1000

const ignored = Object.fromEntries(
  [...Object.keys(besideMetadata), 'client_secret'].map((name) => [name, z.unknown().optional()]),
)
const registration = described.extend({ ...ignored, dry_run: dryRun }).meta({
  id: 'Registration',
  description:
    'A client’s registration (RFC 7591 §2 where it has a name for it). What an answer has beside it may be sent back, and is ignored.',
})
const added = described
  .extend({ ...ignored, client_id: clientIdSchema })
  .meta({ id: 'NewRegistration' })
const withSecret = client
  .extend({ client_secret: text.optional().meta({ description: 'in this answer only' }) })
  .meta({ id: 'ClientWithSecret' })
const changedOrDry = { 200: ok('A dry run, or as it is now.', z.union([dryRunOfChange, client])) }

export const clientRoutes = [
  route(
    'GET /clients',
    {
      id: 'listClients',
      summary: 'Lists the registered clients',
      answers: { 200: ok('All of them.', z.object({ clients: z.array(client) })) },
    },
    async ({ deps }) => {
      const [clients, locks] = await Promise.all([
        deps.store.listClients(),
        openLocks(deps, MOST_LOCKS, 'client'),
      ])
      const lockOf = new Map(locks.map((one) => [lockKey(one.target).key, shownLock(lock, one)]))
      return {
        clients: clients.map((one) => ({ ...shown(one), lock: lockOf.get(one.clientId) })),
      }
    },
  ),
  route(
    'GET /clients/:id',
    {
      id: 'readClient',
      summary: 'Shows one client',
      params: named,
      answers: { 200: ok('Its registration.', client) },
      rejects: [404],
    },
    async ({ deps, params }) => shown(await known(deps, params.id)),
  ),
  route(
    'POST /clients',
    {
      id: 'addClient',
      audit: 'client.add',
      summary: 'Registers a client; its secret is in this answer only',
      body: added,
      answers: { 201: ok('Registered.', withSecret) },
      rejects: [409, 422],
    },
    ({ wire: { client_id: id, ...wire }, ...asked }) =>
      add(asked, id, metadata(asked.deps, id, withoutId(wire))),
  ),
  route(
    'PUT /clients/:id',
    {
      id: 'replaceClient',
      audit: 'client.change',
      summary: 'Replaces a registration that the admin API made',
      params: named,
      body: registration,
      answers: changedOrDry,
      rejects: [404, 409, 422],
    },
    async ({ wire, ...asked }) =>
      changeTo(asked, await known(asked.deps, asked.params.id), wire.dry_run, withoutId(wire)),
  ),
  route(
    'PATCH /clients/:id',
    {
      id: 'changeClient',
      audit: 'client.change',
      summary: 'Changes fields of a registration; null removes one (RFC 7396, first level)',
      params: named,
      body: z.looseObject({ dry_run: dryRun }),
      type: 'application/merge-patch+json',
      answers: changedOrDry,
      rejects: [404, 409, 422],
    },
    async ({ wire, ...asked }) => {
      const before = await known(asked.deps, asked.params.id)
      const merged = Object.entries({ ...withoutId(toWire(before)), ...withoutId(wire) }).filter(
        ([, value]) => value !== null,
      )
      return changeTo(asked, before, wire.dry_run, Object.fromEntries(merged))
    },
  ),
  route(
    'POST /clients/:id/secrets',
    {
      id: 'addClientSecret',
      audit: 'client.rotate_secret',
      summary: 'Adds a second secret; both work until one is removed',
      params: named,
      answers: { 201: ok('The secret, in this answer only.', withSecret) },
      rejects: [404, 409],
    },
    (asked) => rotateSecret(asked, asked.params.id),
  ),
  route(
    'DELETE /clients/:id/secrets/:secret',
    {
      id: 'removeClientSecret',
      audit: 'client.remove_secret',
      summary: 'Removes a secret',
      params: z.strictObject({ ...named.shape, secret: storedText().max(200) }),
      answers: { 200: ok('As it is now.', client) },
      rejects: [404, 409],
    },
    (asked) => removeSecret(asked, asked.params.id, asked.params.secret),
  ),
  route(
    'DELETE /clients/:id',
    {
      id: 'removeClient',
      audit: 'client.remove',
      summary: 'Removes a client and revokes what it holds',
      params: named,
      query: z.strictObject({
        source: z
          .enum(['file', 'command', 'api', 'demo'])
          .optional()
          .meta({ description: 'whose registration it is, where it is not the admin API’s' }),
      }),
      answers: {
        200: ok(
          'Removed.',
          z.object({
            client_id: text,
            removed: z.literal(true),
            seq: z.int(),
            notes: z.array(text),
          }),
        ),
      },
      rejects: [404, 409, 422],
    },
    (asked) => remove(asked, asked.params.id, asked.query.source),
  ),
]

async function changeTo(
  asked: Parameters<typeof change>[0],
  { clientId }: { clientId: string },
  dry: boolean,
  wire: Record<string, unknown>,
) {
  const { deps, caller } = asked
  const wanted = metadata(deps, clientId, wire)
  return dry
    ? dryRunShown(deps, await previewedChange(deps, caller, clientId, wanted))
    : shown(await change(asked, clientId, wanted))
}

const withoutId = (wire: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(wire).filter(
      ([name]) => name !== 'client_id' && name !== 'dry_run' && !(name in ignored),
    ),
  )

function metadata(deps: Deps, clientId: string, wire: Record<string, unknown>): ClientMetadata {
  const parsed = parseClientMetadata(wire, {
    clientId,
    allowLoopback: deps.config.allowLoopbackTargets,
  })
  if (parsed.ok) return parsed.metadata
  throw new Problem(
    422,
    'The registration has a problem',
    parsed.problems.join(' '),
    parsed.problems,
  )
}

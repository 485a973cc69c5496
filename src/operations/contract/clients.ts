import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { parseClientMetadata, toWire } from '../../clients/metadata.ts'
import { Problem } from '../../clients/problem.ts'
import { type ClientMetadata, isOfWorkload } from '../../protocol/client-metadata.ts'
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
import { client, described } from './registration.ts'
import { dryRunOfChange, lock } from './shapes.ts'
import { shown as shownLock } from './wire.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/**
 * Registrations of instances. A secret is only in the answer that created it; only the source of a
 * registration changes it.
 */

const MOST_LOCKS = 1000

const added = described.extend({ client_id: clientIdSchema }).meta({ id: 'NewRegistration' })
const withSecret = client
  .extend({ client_secret: text.optional() })
  .meta({ id: 'ClientWithSecret' })

export const clientRoutes = [
  route(
    'GET /clients',
    {
      id: 'listClients',
      answers: z.object({ clients: z.array(client) }),
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
      params: named,
      answers: client,
    },
    async ({ deps, params }) => shown(await known(deps, params.id)),
  ),
  route(
    'POST /clients',
    {
      id: 'addClient',
      audit: 'client.add',
      body: added,
      answers: { 201: ok('Registered.', withSecret) },
      rejects: [409, 422],
    },
    ({ wire: { client_id: id, ...wire }, ...asked }) =>
      add(asked, id, metadata(asked.deps, id, wire)),
  ),
  route(
    'PATCH /clients/:id',
    {
      id: 'changeClient',
      audit: 'client.change',
      params: named,
      body: z.looseObject({ dry_run: dryRun }),
      type: 'application/merge-patch+json',
      answers: z.union([dryRunOfChange, client]),
      rejects: [409, 422],
    },
    async (asked) => {
      const { dry_run: dry, client_id: _, ...wire } = asked.wire
      const { deps, caller } = asked
      const before = await known(deps, asked.params.id)
      const merged = Object.entries({ ...toWire(before), ...wire }).filter(
        ([, value]) => value !== null,
      )
      const id = before.clientId
      const wanted = metadata(deps, id, Object.fromEntries(merged))
      return dry
        ? dryRunShown(deps, await previewedChange(deps, caller, id, wanted))
        : shown(await change(asked, id, wanted))
    },
  ),
  route(
    'POST /clients/:id/secrets',
    {
      id: 'addClientSecret',
      audit: 'client.rotate_secret',
      params: named,
      answers: { 201: ok('The secret, in this answer only.', withSecret) },
      rejects: [409],
    },
    (asked) => rotateSecret(asked, asked.params.id),
  ),
  route(
    'DELETE /clients/:id/secrets/:secret',
    {
      id: 'removeClientSecret',
      audit: 'client.remove_secret',
      params: z.strictObject({ ...named.shape, secret: storedText().max(200) }),
      answers: client,
      rejects: [409],
    },
    (asked) => removeSecret(asked, asked.params.id, asked.params.secret),
  ),
  route(
    'DELETE /clients/:id',
    {
      id: 'removeClient',
      audit: 'client.remove',
      params: named,
      query: z.strictObject({
        source: z.enum(['file', 'command', 'api', 'demo']).optional(),
      }),
      answers: z.object({
        client_id: text,
        removed: z.literal(true),
        seq: z.int(),
        notes: z.array(text),
      }),
      rejects: [409, 422],
    },
    (asked) => remove(asked, asked.params.id, asked.query.source),
  ),
]

function metadata(deps: Deps, clientId: string, wire: Record<string, unknown>): ClientMetadata {
  const parsed = parseClientMetadata(wire, {
    clientId,
    allowLoopback: deps.config.allowLoopbackTargets,
  })
  const problems = parsed.ok ? takenWorkload(deps, clientId, parsed.metadata) : parsed.problems
  if (parsed.ok && problems.length === 0) return parsed.metadata
  throw new Problem(422, 'The registration has a problem', problems.join(' '), problems)
}

/** Returns that the workload is another client's: its tokens would name neither. */
function takenWorkload(
  { clients }: Deps,
  clientId: string,
  { workload }: ClientMetadata,
): string[] {
  const other =
    workload &&
    clients.list().find((each) => each.clientId !== clientId && isOfWorkload(each, workload))
  return other === undefined
    ? []
    : [`workload: is that of the client ${other.clientId}. A workload is one client.`]
}

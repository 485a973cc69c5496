import { z } from 'zod'
import { clientIdSchema } from '../../clients/metadata-fields.ts'
import { parseClientMetadata, registrationToWire } from '../../clients/metadata.ts'
import { Problem } from '../../audit/problem.ts'
import { newClientSecret } from '../../clients/secret.ts'
import { changes } from '../../protocol/changes.ts'
import {
  type ClientMetadata,
  isOfWorkload,
  type SecretHash,
} from '../../protocol/client-metadata.ts'
import { text } from '../../protocol/described.ts'
import { lockKey } from '../../protocol/lock-target.ts'
import { storedText } from '../../protocol/stored-text.ts'
import {
  foreign,
  known,
  secretIn,
  clientOnWire,
  usesSecret,
  WHERE,
  withOwnSecrets,
} from '../acts/clients.ts'
import { openLocks } from '../acts/names.ts'
import { noSuch } from '../acts/no-such.ts'
import { dryRunShown, previewedAge } from '../acts/revocations.ts'
import { REJECTED } from '../acts/texts/rejected.ts'
import { caseAndComment, dryRun, named } from './fields.ts'
import { client, described } from './registration.ts'
import { dryRunOfChange, lock } from './shapes.ts'
import { toWire } from './wire.ts'
import type { Caller } from '../../audit/caller.ts'
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
      const lockOf = new Map(locks.map((held) => [lockKey(held.target).key, toWire(lock, held)]))
      return {
        clients: clients.map((registered) => ({
          ...clientOnWire(registered),
          lock: lockOf.get(registered.clientId),
        })),
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
    async ({ deps, params }) => clientOnWire(await known(deps, params.id)),
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
    async ({ deps, caller, record, wire: { client_id: id, ...wire } }) => {
      const wanted = metadata(deps, id, wire)
      const before = await deps.store.findClient(id)
      if (before !== undefined && before.removedAt === undefined)
        throw new Problem(
          409,
          'The client already exists',
          REJECTED.registered_already(id, WHERE[before.source]),
        )
      const registration = registrationToWire({ clientId: id, metadata: wanted })
      return record(`client ${id}`, { registration }, async () => {
        const made = usesSecret(wanted) ? newClientSecret(deps.random, deps.clock.now()) : undefined
        const added = await put(deps, caller, id, wanted, made ? [made.hash] : [])
        return { ...clientOnWire(added), ...(made && { client_secret: made.secret }) }
      })
    },
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
    async ({ deps, caller, now, record, params, wire }) => {
      const { dry_run: dry, client_id: _, ...patch } = wire
      const before = await known(deps, params.id)
      const { clientId, source } = before
      const merged = Object.entries({ ...registrationToWire(before), ...patch }).filter(
        ([, value]) => value !== null,
      )
      const wanted = metadata(deps, clientId, Object.fromEntries(merged))
      if (dry) {
        if (source !== caller.source) throw foreign(clientId, source)
        const age = wanted.maxAuthenticationSeconds
        return dryRunShown(deps, await previewedAge(deps, { kind: 'client', clientId }, age, now))
      }
      const changed = changes(
        registrationToWire(before),
        registrationToWire({ clientId, metadata: wanted }),
      )
      return record(`client ${clientId}`, { changed }, async () =>
        clientOnWire(await put(deps, caller, clientId, wanted)),
      )
    },
  ),
  route(
    'POST /clients/:id/secrets',
    {
      id: 'addClientSecret',
      audit: 'client.rotate_secret',
      params: named,
      body: z.strictObject(caseAndComment),
      bodyOptional: true,
      answers: { 201: ok('The secret, in this answer only.', withSecret) },
      rejects: [409],
    },
    async ({ deps, now, record, params: { id } }) => {
      const before = await secretsOf(deps, id)
      const replace = async () => {
        withOwnSecrets(deps, await known(deps, id))
        const { secret, hash } = newClientSecret(deps.random, now)
        if (!(await deps.store.addClientSecret({ clientId: id, secret: hash, now })))
          throw noSuch('client')
        await deps.clients.reload()
        return { ...clientOnWire(await known(deps, id)), client_secret: secret }
      }
      return record(`client ${id}`, undefined, replace, secretsChanged(before))
    },
  ),
  route(
    'DELETE /clients/:id/secrets/:secret',
    {
      id: 'removeClientSecret',
      audit: 'client.remove_secret',
      params: z.strictObject({ ...named.shape, secret: storedText().max(200) }),
      query: z.strictObject(caseAndComment),
      answers: client,
      rejects: [409],
    },
    async ({ deps, record, params: { id, secret } }) => {
      const before = await secretsOf(deps, id)
      const removeSecret = async () => {
        secretIn(withOwnSecrets(deps, await known(deps, id)), secret)
        await deps.store.removeClientSecret({ clientId: id, secretId: secret })
        await deps.clients.reload()
        return clientOnWire(await known(deps, id))
      }
      return record(`client ${id}`, { secret_id: secret }, removeSecret, secretsChanged(before))
    },
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
    async ({ deps, caller, now, record, params: { id }, query: { source = caller.source } }) => {
      const before = await deps.store.findClient(id)
      const details = { source, registration: before && registrationToWire(before) }
      return record(`client ${id}`, details, async () => {
        const { actor } = caller
        const answer = await deps.store.removeClient({ clientId: id, source, actor, now })
        if (answer.outcome === 'unknown') throw noSuch('client')
        if (answer.outcome === 'foreign')
          throw new Problem(
            409,
            'Registered elsewhere',
            REJECTED.other_source(foreign(id, answer.source).message, id, answer.source),
          )
        await deps.clients.reload()
        const notes = source === 'file' ? [REJECTED.still_in_file] : []
        return { clientId: id, seq: answer.committed.revocation.seq, notes }
      })
    },
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

/** Registers a client, or changes one of the caller's own source. @throws Problem 409 */
async function put(
  deps: Deps,
  { source }: Caller,
  clientId: string,
  wanted: ClientMetadata,
  secrets?: SecretHash[],
) {
  const now = deps.clock.now()
  const answer = await deps.store.putClient({ clientId, source, metadata: wanted, secrets, now })
  if (answer.outcome === 'foreign') throw foreign(clientId, answer.source)
  await deps.clients.reload()
  return answer.client
}

/** Returns the ids of a client's secrets, for the audit log. */
const secretIds = ({ secrets }: { secrets: readonly { id: string }[] }) => ({
  secrets: secrets.map(({ id }) => id),
})
const secretsOf = async ({ store }: Deps, id: string) =>
  secretIds((await store.findClient(id)) ?? { secrets: [] })
const secretsChanged =
  (before: ReturnType<typeof secretIds>) => (answer: Parameters<typeof secretIds>[0]) => ({
    changed: changes(before, secretIds(answer)),
  })

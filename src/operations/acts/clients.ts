import type { z } from 'zod'
import { toWire } from '../../clients/metadata.ts'
import { newClientSecret } from '../../clients/secret.ts'
import type { client as clientShape } from '../contract/registration.ts'
import type { Deps } from '../deps.ts'
import { changes } from '../../protocol/changes.ts'
import type {
  Client,
  ClientMetadata,
  ClientSource,
  SecretHash,
} from '../../protocol/client-metadata.ts'
import type { Caller } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import type { Recording } from '../../clients/with-audit.ts'
import { existing, noSuch } from './no-such.ts'
import { previewedAge } from './revocations.ts'
import { FORMER_FILE, stepsInFile } from './texts/secrets.ts'
import { REJECTED } from './texts/rejected.ts'

/**
 * An operator's changes to a registration. Each is recorded in the audit log, and rejected if
 * another source owns the registration.
 */

/** The needs of an act: the caller, and the way to record it in the audit log. */
interface Acting {
  deps: Deps
  caller: Caller
  record: Recording
}

type ClientShown = z.output<typeof clientShape>

/**
 * Returns a registration for operators: the metadata of the wire, and of each secret only its id
 * and times.
 */
export function shown(client: Client): ClientShown {
  const secrets = client.secrets.map((secret) => ({
    id: secret.id,
    created_at: secret.createdAt,
    ...(secret.expiresAt !== undefined && { expires_at: secret.expiresAt }),
  }))
  return {
    ...toWire(client),
    source: client.source,
    secrets,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
  } as ClientShown
}

/** Returns a registered client. @throws Problem 404 */
export async function known(deps: Deps, id: string): Promise<Client> {
  const client = await deps.store.findClient(id)
  return existing('client', client?.removedAt === undefined ? client : undefined)
}

/** Returns the path of the clients file, from which a client with the source `file` comes. */
export const fileOf = ({ config }: Pick<Deps, 'config'>): string =>
  config.clientsFile ?? FORMER_FILE

const WHERE: Record<ClientSource, string> = {
  file: 'the clients file: change it there',
  command: 'the cmb command: change it with cmb clients',
  api: 'the admin API: change it over HTTP',
  demo: 'the demo: it lasts as long as the demo runs',
  broker: 'the broker itself, which keeps it as it has to be',
}

const foreign = (id: string, source: ClientSource): Problem =>
  new Problem(409, 'Registered elsewhere', `${id} belongs to ${WHERE[source]}.`)

function mine(client: Client, caller: Caller): Client {
  if (client.source === caller.source) return client
  throw foreign(client.clientId, client.source)
}

/**
 * Returns the client if the store alone keeps its secrets. Any interface may then replace them: an
 * operator whose secret leaked takes the one that is at hand.
 * @throws Problem 409 for a client of the clients file, and for the broker's own
 */
export function withOwnSecrets(deps: Pick<Deps, 'config'>, client: Client): Client {
  const { clientId, source, metadata } = client
  if (source === 'broker') throw foreign(clientId, source)
  if (!usesSecret(metadata))
    throw new Problem(409, 'It has no secret', REJECTED.no_secret(clientId, metadata.authMethod))
  if (source === 'file')
    throw new Problem(
      409,
      `The secrets of ${clientId} are in the clients file`,
      stepsInFile(fileOf(deps), clientId).join(' '),
    )
  return client
}

export const usesSecret = (one: ClientMetadata): boolean =>
  one.authMethod === 'client_secret_basic' || one.authMethod === 'client_secret_post'

/** Registers a client. The answer shows its new secret, once. */
export async function add(
  { deps, caller, record }: Acting,
  id: string,
  one: ClientMetadata,
): Promise<ClientShown & { client_secret?: string }> {
  const before = await deps.store.findClient(id)
  if (before !== undefined && before.removedAt === undefined) {
    throw new Problem(
      409,
      'The client already exists',
      REJECTED.registered_already(id, WHERE[before.source]),
    )
  }
  const details = { registration: toWire({ clientId: id, metadata: one }) }
  return record(`client ${id}`, details, async () => {
    const made = usesSecret(one) ? newClientSecret(deps.random, deps.clock.now()) : undefined
    const client = await put(deps, caller, id, one, made ? [made.hash] : [])
    return { ...shown(client), ...(made && { client_secret: made.secret }) }
  })
}

/**
 * Counts the sessions in which the change would revoke the client's grant at once.
 * @throws Problem 404, 409 as the change itself
 */
export async function previewedChange(
  deps: Deps,
  caller: Caller,
  id: string,
  one: ClientMetadata,
): ReturnType<typeof previewedAge> {
  mine(await known(deps, id), caller)
  return previewedAge(
    deps,
    { kind: 'client', clientId: id },
    one.maxAuthenticationSeconds,
    deps.clock.now(),
  )
}

/**
 * Changes a registration. The audit log gets the old and new value of each changed field; no field
 * is a secret.
 */
export async function change(
  { deps, caller, record }: Acting,
  id: string,
  one: ClientMetadata,
): Promise<Client> {
  const details = {
    changed: changes(toWire(await known(deps, id)), toWire({ clientId: id, metadata: one })),
  }
  return record(`client ${id}`, details, () => put(deps, caller, id, one))
}

async function put(
  deps: Deps,
  caller: Caller,
  id: string,
  one: ClientMetadata,
  secrets?: SecretHash[],
): Promise<Client> {
  const answer = await deps.store.putClient({
    clientId: id,
    source: caller.source,
    metadata: one,
    secrets,
    now: deps.clock.now(),
  })
  if (answer.outcome === 'foreign') throw foreign(id, answer.source)
  await deps.clients.reload()
  return answer.client
}

/** Returns the ids of a client's secrets, for the audit log. */
const secretIds = ({ secrets }: { secrets: readonly { id: string }[] }) => ({
  secrets: secrets.map((secret) => secret.id),
})
const secretsOf = async ({ store }: Deps, id: string) =>
  secretIds((await store.findClient(id)) ?? { secrets: [] })
const secretsChanged = (before: ReturnType<typeof secretIds>) => (answer: ClientShown) => ({
  changed: changes(before, secretIds(answer)),
})

export async function rotateSecret(
  { deps, record }: Omit<Acting, 'caller'>,
  id: string,
): Promise<ClientShown & { client_secret: string }> {
  const before = await secretsOf(deps, id)
  const act = async () => {
    withOwnSecrets(deps, await known(deps, id))
    const { secret, hash } = newClientSecret(deps.random, deps.clock.now())
    if (!(await deps.store.addClientSecret({ clientId: id, secret: hash, now: deps.clock.now() })))
      throw noSuch('client')
    await deps.clients.reload()
    return { ...shown(await known(deps, id)), client_secret: secret }
  }
  return record(`client ${id}`, undefined, act, secretsChanged(before))
}

/** Returns a client's secret by its id. @throws Problem 404 */
export function secretIn({ clientId, secrets }: Client, id: string): SecretHash {
  const found = secrets.find((one) => one.id === id)
  if (found !== undefined) return found
  throw new Problem(404, 'No such secret', REJECTED.no_such_secret(clientId))
}

export async function removeSecret(
  { deps, record }: Omit<Acting, 'caller'>,
  id: string,
  secretId: string,
): Promise<ClientShown> {
  const before = await secretsOf(deps, id)
  const act = async () => {
    secretIn(withOwnSecrets(deps, await known(deps, id)), secretId)
    await deps.store.removeClientSecret({ clientId: id, secretId })
    await deps.clients.reload()
    return shown(await known(deps, id))
  }
  return record(`client ${id}`, { secret_id: secretId }, act, secretsChanged(before))
}

export async function remove(
  { deps, caller, record }: Acting,
  id: string,
  source: ClientSource | undefined,
) {
  const before = await deps.store.findClient(id)
  const owner = source ?? caller.source
  const details = { source: owner, registration: before && toWire(before) }
  return record(`client ${id}`, details, async () => {
    const answer = await deps.store.removeClient({
      clientId: id,
      source: owner,
      actor: caller.actor,
      now: deps.clock.now(),
    })
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
}

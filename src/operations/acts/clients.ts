import type { z } from 'zod'
import { registrationToWire } from '../../clients/metadata.ts'
import type { client as clientShape } from '../contract/registration.ts'
import type { Deps } from '../deps.ts'
import type {
  Client,
  ClientMetadata,
  ClientSource,
  SecretHash,
} from '../../protocol/client-metadata.ts'
import { Problem } from '../../audit/problem.ts'
import { existing } from './no-such.ts'
import { FORMER_FILE, stepsInFile } from './texts/secrets.ts'
import { REJECTED } from './texts/rejected.ts'

/** Registrations as operators see them, and who may change which. */

type ClientShown = z.output<typeof clientShape>

/**
 * Returns a registration for operators: the metadata of the wire, and of each secret only its id
 * and times.
 */
export function clientOnWire(client: Client): ClientShown {
  const secrets = client.secrets.map((secret) => ({
    id: secret.id,
    created_at: secret.createdAt,
    ...(secret.expiresAt !== undefined && { expires_at: secret.expiresAt }),
    ...(secret.usedAt !== undefined && { used_at: secret.usedAt }),
  }))
  return {
    ...registrationToWire(client),
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

/** Says where a registration of each source is changed. */
export const WHERE: Record<ClientSource, string> = {
  file: 'the clients file: change it there',
  command: 'the cmb command: change it with cmb clients',
  api: 'the admin API: change it over HTTP',
  demo: 'the demo: it lasts as long as the demo runs',
  broker: 'the broker itself, which keeps it as it has to be',
}

/** Rejects a change to the registration of another source. */
export const foreign = (id: string, source: ClientSource): Problem =>
  new Problem(409, 'Registered elsewhere', `${id} belongs to ${WHERE[source]}.`)

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

export const usesSecret = (metadata: ClientMetadata): boolean =>
  metadata.authMethod === 'client_secret_basic' || metadata.authMethod === 'client_secret_post'

/** Returns a client's secret by its id. @throws Problem 404 */
export function secretIn({ clientId, secrets }: Client, id: string): SecretHash {
  const found = secrets.find((secret) => secret.id === id)
  if (found !== undefined) return found
  throw new Problem(404, 'No such secret', REJECTED.no_such_secret(clientId))
}

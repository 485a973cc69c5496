import { sql } from 'drizzle-orm'
import type { SecretHash } from '../../src/protocol/client-metadata.ts'
import type { Act } from '../engine/act.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  pick,
  query,
  type RowOf,
  type Takes,
} from '../engine/statement.ts'
import { clientSecrets } from '../schema.ts'

/**
 * The hashes of clients' secrets. Callers lock the client's registration before they change them.
 */

/** The most secrets that are valid at once: enough to replace one without an outage. */
const VALID_SECRETS = 2

const secretFields = columnsOf(clientSecrets, 'id', 'hash', 'createdAt', 'expiresAt', 'usedAt')
const inOrder = sql`${clientSecrets.createdAt}, ${clientSecrets.id}`
const ofClient = query(
  secretFields,
  (p: Takes<{ clientId: string }>, f) =>
    sql`SELECT ${f} FROM ${clientSecrets} WHERE ${clientSecrets.clientId} = ${p.clientId} ORDER BY ${inOrder}`,
)
const ofAll = query(
  { ...secretFields, clientId: clientSecrets.clientId },
  (_, f) => sql`SELECT ${f} FROM ${clientSecrets} ORDER BY ${inOrder}`,
)
const put = command(
  (
    p: Takes<{
      clientId: string
      id: string
      hash: string
      createdAt: number
      expiresAt: number | undefined
      usedAt: number | undefined
    }>,
  ) =>
    sql`${insertInto(clientSecrets, pick(p, 'clientId', 'id', 'hash', 'createdAt', 'expiresAt', 'usedAt'))}
      ON CONFLICT (${names(clientSecrets.clientId, clientSecrets.id)}) DO UPDATE SET ${assign(
        clientSecrets,
        {
          hash: excluded(clientSecrets.hash),
          createdAt: excluded(clientSecrets.createdAt),
          expiresAt: excluded(clientSecrets.expiresAt),
        },
      )}`,
)
const drop = command(
  (p: Takes<{ clientId: string; id: string }>) =>
    sql`DELETE FROM ${clientSecrets} WHERE ${clientSecrets.clientId} = ${p.clientId} AND ${clientSecrets.id} = ${p.id}`,
)
const use = command(
  (p: Takes<{ clientId: string; id: string; at: number }>) =>
    sql`UPDATE ${clientSecrets} SET ${assign(clientSecrets, { usedAt: p.at })} WHERE ${clientSecrets.clientId} = ${p.clientId}
      AND ${clientSecrets.id} = ${p.id} AND coalesce(${clientSecrets.usedAt}, 0) < ${p.at}`,
)
const dropAll = command(
  (p: Takes<{ clientId: string }>) =>
    sql`DELETE FROM ${clientSecrets} WHERE ${clientSecrets.clientId} = ${p.clientId}`,
)

const secretOf = ({
  id,
  hash,
  createdAt,
  expiresAt,
  usedAt,
}: RowOf<typeof secretFields>): SecretHash => ({
  id,
  hash,
  createdAt,
  ...(expiresAt === null ? {} : { expiresAt }),
  ...(usedAt === null ? {} : { usedAt }),
})

export function* secretsOf(clientId: string): Act<SecretHash[]> {
  return (yield* ofClient.all({ clientId })).map(secretOf)
}

export function* secretsByClient(): Act<Map<string, SecretHash[]>> {
  return new Map(
    [...Map.groupBy(yield* ofAll.all({}), ({ clientId }) => clientId)].map(([clientId, rows]) => [
      clientId,
      rows.map((row) => secretOf(row)),
    ]),
  )
}

export function* replaceSecrets(clientId: string, secrets: SecretHash[]): Act<void> {
  yield* dropAll.run({ clientId })
  for (const { id, hash, createdAt, expiresAt, usedAt } of secrets)
    yield* put.run({ clientId, id, hash, createdAt, expiresAt, usedAt })
}

/** Adds a secret. Expired secrets are deleted, and the oldest of more than two valid ones. */
export function* addSecret(
  clientId: string,
  { id, hash, createdAt, expiresAt, usedAt }: SecretHash,
  now: number,
): Act<void> {
  yield* put.run({ clientId, id, hash, createdAt, expiresAt, usedAt })
  const others = (yield* secretsOf(clientId)).filter((secret) => secret.id !== id)
  const valid = others.filter((secret) => secret.expiresAt === undefined || secret.expiresAt > now)
  const kept = valid.slice(Math.max(0, valid.length - VALID_SECRETS + 1))
  for (const secret of others)
    if (!kept.includes(secret)) yield* drop.run({ clientId, id: secret.id })
}

/**
 * Deletes a secret.
 * @returns whether it existed
 */
export function* dropSecret(clientId: string, id: string): Act<boolean> {
  return (yield* drop.run({ clientId, id })) > 0
}

/** Records when secrets last authenticated their clients. A use before the recorded one changes nothing. */
export function* recordSecretUses(
  uses: readonly { clientId: string; id: string; at: number }[],
): Act<void> {
  for (const each of uses) yield* use.run(each)
}

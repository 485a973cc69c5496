import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, command, insertInto, names, query } from '../engine/statement.ts'
import { registry } from '../schema.ts'

/**
 * The registry's version rises in the transaction of every act that changes clients, their secrets
 * and targets, tenants, signing keys or settings. A broker compares it when it renews its lease,
 * and reads its copies again where it has changed. Entries of the log bring the version at which
 * they were read, because renewals find a change later than notifications find an entry.
 */

/** The version, as a field of another statement. */
export const versionNow = sql<number>`coalesce((SELECT ${registry.version} FROM ${registry} WHERE ${registry.id} = 1), 0)`

const current = query({ version: versionNow }, (_, f) => sql`SELECT ${f}`)
export function* registryVersion(): Act<number> {
  return (yield* current.get({}))?.version ?? 0
}

const raise = command(
  () => sql`${insertInto(registry, { id: 1, version: 1 })} ON CONFLICT (${names(registry.id)})
    DO UPDATE SET ${assign(registry, { version: sql`${registry.version} + 1` })}`,
)

/**
 * Raises the version, in every act that changes the registry. It is the act's last statement,
 * because its row is locked until the commit, and must be locked after the head of the log.
 */
export const registryChanged = (): Act<number> => raise.run({})

import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, command, insertInto, names } from '../engine/statement.ts'
import { registry } from '../schema.ts'

/**
 * The registry's version rises in the transaction of every act that changes clients, their secrets
 * and targets, tenants, signing keys or settings. A broker that reads another version than before,
 * as it renews its lease, reads again what it keeps of them.
 */

const raise = command(
  () => sql`${insertInto(registry, { id: 1, version: 1 })} ON CONFLICT (${names(registry.id)})
    DO UPDATE SET ${assign(registry, { version: sql`${registry.version} + 1` })}`,
)

/**
 * Part of every act that changes them. The last of its statements: its row is locked until the
 * commit, after the head of the log.
 */
export const registryChanged = (): Act<number> => raise.run({})

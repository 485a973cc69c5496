import { sql } from 'drizzle-orm'
import type { Act } from '../engine/act.ts'
import { assign, columnsOf, command, insertInto, names, query } from '../engine/statement.ts'
import { registry } from '../schema.ts'

/** The registry's version: by it, brokers find out that clients, secrets, targets, tenants, signing keys or settings have changed. */

const version = query(columnsOf(registry, 'version'), (_, f) => sql`SELECT ${f} FROM ${registry} WHERE ${registry.id} = 1`)
const raise = command(
  () => sql`${insertInto(registry, { id: 1, version: 1 })} ON CONFLICT (${names(registry.id)})
    DO UPDATE SET ${assign(registry, { version: sql`${registry.version} + 1` })}`,
)

/** Part of every act that changes them. The last of its statements: its row is locked until the commit, after the head of the log. */
export const registryChanged = (): Act<number> => raise.run({})

export function* registryVersion(): Act<number> {
  return (yield* version.get({}))?.version ?? 0
}

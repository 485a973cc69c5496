import { sql } from 'drizzle-orm'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { Act } from '../engine/act.ts'
import { hidden } from '../engine/dialect.ts'
import { columnsOf, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { lockedBy } from '../locks/locked.ts'
import { clients, operators, subjects } from '../schema.ts'
import type { AuditWay } from '../types.ts'

/** Whether the operator who scheduled an act may still do it, when it is done: a removed, locked or demoted administrator's acts are not. */

const operator = query(
  { ...columnsOf(operators, 'may'), lock: lockedBy({ tid: subjects.tid, oid: subjects.oid, homeId: subjects.homeId }) },
  (p: Takes<{ sub: string; tid: string }>, f) => sql`SELECT ${f} FROM ${operators} JOIN ${subjects} ON ${subjects.sub} = ${operators.sub}
    WHERE ${operators.sub} = ${hidden(p.sub)} AND ${subjects.tid} = ${hidden(p.tid)}`,
)
const client = query(
  { ...columnsOf(clients, 'metadata'), lock: lockedBy({ clients: [clients.clientId] }) },
  (p: Takes<{ clientId: string }>, f) => sql`SELECT ${f} FROM ${clients} WHERE ${clients.clientId} = ${p.clientId} AND ${clients.removedAt} IS NULL`,
)

interface Creator {
  actor: Actor
  via: AuditWay
  may: 'operate' | 'administer'
}

export function* stillMay({ actor, via, may }: Creator, operatorTenant: string | undefined): Act<boolean> {
  // Who can open the socket has the database.
  if (via === 'command') return true
  if (via === 'console') {
    const row = operatorTenant === undefined ? undefined : yield* operator.get({ sub: actor.id, tid: operatorTenant })
    return row?.lock === null && (row.may === 'administer' || (row.may === 'operate' && may === 'operate'))
  }
  const row = via === 'api' ? yield* client.get({ clientId: actor.id }) : undefined
  if (row?.lock !== null) return false
  const { scopes = [] } = JSON.parse(row.metadata) as { scopes?: string[] }
  return scopes.includes('broker:administer') || (may === 'operate' && scopes.includes('broker:operate'))
}

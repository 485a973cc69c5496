import { columnsOf } from '../engine/statement.ts'
import type { RowOf } from '../engine/statement.ts'
import { optional } from '../engine/values.ts'
import { subjects } from '../schema.ts'
import type { Subject } from '../types.ts'

/** A user as a row of the store. */

export const subjectFields = columnsOf(subjects, 'sub', 'tid', 'oid', 'name', 'username', 'email', 'homeId', 'createdAt')

export const subjectOf = (row: RowOf<typeof subjectFields>): Subject => ({
  sub: row.sub,
  tid: row.tid,
  oid: row.oid,
  name: optional(row.name),
  username: optional(row.username),
  email: optional(row.email),
  homeId: optional(row.homeId),
  createdAt: row.createdAt,
})

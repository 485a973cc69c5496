import { sql } from 'drizzle-orm'
import type { Engine } from '../engine/act.ts'
import { rowsOf } from '../engine/dialect.ts'
import { assign, columnsOf, command, excluded, insertEach, names, query } from '../engine/statement.ts'
import type { Takes } from '../engine/statement.ts'
import { listOf } from '../engine/values.ts'
import { tokenHours } from '../schema.ts'
import type { TokenHourActs } from '../store.ts'

/** Token requests of each client by the hour: every broker adds to the same rows. */

const COUNTS = { issued: 'bigint', refreshed: 'bigint', rejected: 'bigint' } as const
const sumOf = (name: keyof typeof COUNTS) => sql`${tokenHours[name]} + ${excluded(tokenHours[name])}`

const add = command((p: Takes<{ list: string }>) => {
  const { rows, row } = rowsOf(p.list, { clientId: 'text', at: 'bigint', ...COUNTS })
  return sql`${insertEach(tokenHours, row, rows)} ON CONFLICT (${names(tokenHours.clientId, tokenHours.at)}) DO UPDATE SET ${assign(tokenHours, {
    issued: sumOf('issued'),
    refreshed: sumOf('refreshed'),
    rejected: sumOf('rejected'),
  })}`
})
const ofClient = query(
  columnsOf(tokenHours, 'clientId', 'at', 'issued', 'refreshed', 'rejected'),
  (p: Takes<{ clientId: string; since: number }>, f) =>
    sql`SELECT ${f} FROM ${tokenHours} WHERE ${tokenHours.clientId} = ${p.clientId} AND ${tokenHours.at} > ${p.since} ORDER BY ${tokenHours.at} DESC`,
)

type Hours = Parameters<TokenHourActs['addTokenHours']>[0]
/** In one order, so that two brokers that add at once do not wait for each other. */
const inOrder = (hours: Hours): Hours => hours.toSorted((a, b) => (a.clientId < b.clientId ? -1 : a.clientId > b.clientId ? 1 : a.at - b.at))

export const tokenHourActs = (engine: Engine): TokenHourActs => ({
  async addTokenHours(hours) {
    if (hours.length > 0) await engine.write(() => add.run({ list: listOf(inOrder(hours)) }))
  },
  tokenHours: (input) => engine.read(() => ofClient.all(input)),
})

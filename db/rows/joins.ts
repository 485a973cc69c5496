import type { Act } from '../engine/act.ts'
import { lockByName } from '../engine/statement.ts'

/**
 * Separates the revocation of a client from the acts in which that client joins a session. An act
 * that joins holds the lock shared, from before it reads the head of the log until its commit. The
 * revocation takes it alone and waits for joins that do not see it. So its fan-out finds every
 * participant that it covers, and a later join sees the revocation.
 */

const JOINS = 7_402
const shared = lockByName(JOINS, 'shared')
const alone = lockByName(JOINS, 'alone')

export const joinsClient = (clientId: string): Act<unknown> => shared.get({ name: clientId })
export const waitForJoins = (clientId: string): Act<unknown> => alone.get({ name: clientId })

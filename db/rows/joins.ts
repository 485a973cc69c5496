import type { Act } from '../engine/act.ts'
import { lockByName } from '../engine/statement.ts'

/**
 * Keeps a revocation of a client and the acts in which that client joins a session apart. An act
 * that joins shares a lock from before it reads the head of the log until its commit. The
 * revocation takes the lock alone: it waits for joins that do not see it, so its fan-out finds
 * every participant that it covers, and a join that comes later sees it.
 */

const JOINS = 7_402
const shared = lockByName(JOINS, 'shared')
const alone = lockByName(JOINS, 'alone')

export const joinsClient = (clientId: string): Act<unknown> => shared.get({ name: clientId })
export const waitForJoins = (clientId: string): Act<unknown> => alone.get({ name: clientId })

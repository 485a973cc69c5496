import type { PoolClient } from 'pg'
import type { Sources } from '../engine/act.ts'
import { readHighWater } from '../high-water.ts'
import { ensureHead } from '../log/head.ts'
import { StoreUnavailable } from '../types.ts'
import { serverOf, type Connections } from './connections.ts'
import { runAct } from './executor.ts'
import { problemAtStart, readHead, readLineage } from './lineage.ts'
import { beginLineage } from './take-over.ts'
import { committed } from './transact.ts'
import { mustBeUsable } from './usable.ts'

/**
 * Checks and opens the log when a broker starts. A database that was restored to an earlier state,
 * or into another server, is rejected.
 */

interface Asked {
  /** The epoch for a database that no broker has used yet. */
  newEpoch: string
  mark: string | undefined
}

/**
 * Opens the log.
 * @throws StoreUnavailable with what is wrong and what to do
 */
export async function openLog(pool: Connections, sources: Sources, { newEpoch, mark }: Asked) {
  const remembered = mark === undefined ? undefined : readHighWater(mark)
  const found = async (client: PoolClient) => {
    await mustBeUsable(client)
    await runAct(client, sources, ensureHead(newEpoch))
    const [server, entries, head] = [
      await serverOf(client),
      await readLineage(client),
      await readHead(client),
    ]
    if (head === undefined) throw new Error('The log has no head.')
    const problem = problemAtStart({ server, entries, head, mark: remembered, file: mark ?? '' })
    if (problem !== undefined) throw new StoreUnavailable(problem)
    if (entries.length === 0) await beginLineage({ client, sources })
    return { server, entries: await readLineage(client), reached: head }
  }
  return committed({ connect: () => reach(pool) }, found)
}

/** The number of attempts at the address's servers: three servers, the first of them twice. */
const SERVERS = 4

async function reach(pool: Connections): Promise<PoolClient> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await pool.connectAny()
    } catch (cause) {
      if (attempt < SERVERS && pool.hasOthers) continue
      if (cause instanceof StoreUnavailable) throw cause
      throw new StoreUnavailable(
        'Postgres cannot be reached. Check BROKER_DATABASE_URL, and that the server accepts connections from here.',
        {
          cause,
        },
      )
    }
  }
}

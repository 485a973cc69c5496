import type { PoolClient } from 'pg'
import type { Sources } from '../engine/act.ts'
import { readHighWater } from '../high-water.ts'
import { ensureHead } from '../log/head.ts'
import { StoreUnavailable } from '../types.ts'
import { serverOf, type Connections } from './connections.ts'
import { runAct } from './executor.ts'
import { startProblem, readHashAt, readHead, readLineage } from './lineage.ts'
import { beginLineage, BROKER, restored } from './take-over.ts'
import { committed } from './transact.ts'
import { mustBeUsable } from './usable.ts'

/**
 * Checks and opens the log when a broker starts. A database that was recovered, or restored into
 * another server, is rejected. Where the volume of the same server was put back, brokers that know
 * less may already serve ended sessions from it, so the broker that knows more begins a new log.
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
    const head = await readHead(client, 'FOR UPDATE')
    if (head === undefined) throw new Error('The log has no head.')
    const found = {
      head,
      server: await serverOf(client),
      entries: await readLineage(client),
      hashAt: remembered === undefined ? null : await readHashAt(client, remembered.seq),
    }
    const judged = startProblem({ ...found, mark: remembered, file: mark ?? '' })
    if (typeof judged === 'object') throw new StoreUnavailable(judged.problem)
    if (found.entries.length === 0) await beginLineage({ client, sources })
    if (judged === 'lost')
      await restored(
        { client, sources, ...found, actor: BROKER, via: 'broker' },
        remembered?.seq ?? 0,
      )
    return {
      server: found.server,
      entries: await readLineage(client),
      reached: (await readHead(client)) ?? head,
      lost: judged === 'lost',
    }
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

import { randomBytes } from 'node:crypto'
import type { PoolClient } from 'pg'
import type { Actor } from '../../src/protocol/revocation.ts'
import type { Sources } from '../engine/act.ts'
import type { HighWater } from '../high-water.ts'
import { beginRestored, continueLog } from '../operator/restored.ts'
import { StoreUnavailable, type AuditWay, type Committed } from '../types.ts'
import { isSame, serverOf, type Server } from './connections.ts'
import { runAct } from './executor.ts'
import {
  addEntry,
  classifyServer,
  readHashAt,
  readHead,
  readLineage,
  type Entry,
} from './lineage.ts'

/**
 * Continues the log on a new timeline, in one transaction, far ahead of every number that the
 * former server could have issued. Where acknowledged entries are missing, it begins a new log, as
 * a restore does. Another database system is not taken over.
 */

export const BROKER: Actor = { kind: 'broker', id: 'take-over' }

export type TakeOverOutcome = 'taken' | 'continue' | 'lost' | 'foreign' | 'another'

interface Asked {
  client: PoolClient
  sources: Sources
  /** The server that the broker has met. */
  server: Server
  reached: HighWater
  /** True if it is the known server, with less of the log than it had. */
  behind: boolean
}

interface Done {
  taken: TakeOverOutcome
  entries: Entry[]
  revoked: Committed[]
}

export async function takeOver({ client, sources, server, reached, behind }: Asked): Promise<Done> {
  const head = await readHead(client, 'FOR UPDATE')
  const now = await serverOf(client)
  const entries = await readLineage(client)
  if (head === undefined || !isSame(now, server)) return { taken: 'another', entries, revoked: [] }
  const hashAt = await readHashAt(client, reached.seq)
  const taken = classifyServer({ server, entries, head, hashAt, reached, behind })
  const by = { client, sources, server, head, actor: BROKER, via: 'broker' } as const
  const revoked = taken === 'lost' ? (await restored(by, reached.seq)).revoked : []
  if (taken === 'continue') await continued(by)
  return { taken, entries: await readLineage(client), revoked }
}

interface By {
  client: Pick<PoolClient, 'query'>
  sources: Sources
  server: Server
  head: HighWater
  actor: Actor
  via: AuditWay
}

/**
 * Continues the log with the same epoch.
 * @returns the head from which it continues
 */
export async function continued({
  client,
  sources,
  server,
  head,
  actor,
  via,
}: By): Promise<HighWater> {
  const { value: seq } = await runAct(client, sources, continueLog({ ...head, actor, via }))
  await addEntry(client, {
    ...server,
    epoch: head.epoch,
    afterSeq: head.seq,
    fromSeq: seq,
    why: 'promoted',
    atMs: sources.nowMs(),
  })
  return { epoch: head.epoch, seq }
}

/**
 * Begins a new epoch with the revocation of everything (decision 0021).
 * @param formerSeq how far the former log is known to have come
 */
export async function restored(
  { client, sources, server, head, actor, via }: By,
  formerSeq: number,
) {
  const epoch = randomBytes(9).toString('base64url')
  // Written first, because the log accepts no entry on a timeline on which it was not continued.
  await addEntry(client, {
    ...server,
    epoch,
    afterSeq: head.seq,
    fromSeq: head.seq,
    why: 'restored',
    atMs: sources.nowMs(),
  })
  const { value, revoked } = await runAct(
    client,
    sources,
    beginRestored({ actor, via, epoch, formerSeq }),
  )
  return { epoch, ...value, revoked }
}

/** Begins the lineage of a database that no broker has used yet. */
export async function beginLineage({
  client,
  sources,
}: Pick<Asked, 'client' | 'sources'>): Promise<void> {
  const head = await readHead(client, 'FOR UPDATE')
  if (head === undefined)
    throw new StoreUnavailable('The log has no head: the database is damaged. Restore a backup.')
  if ((await readLineage(client)).length > 0) return
  const server = await serverOf(client)
  await addEntry(client, {
    ...server,
    epoch: head.epoch,
    afterSeq: head.seq,
    fromSeq: head.seq,
    why: 'new',
    atMs: sources.nowMs(),
  })
}

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from 'pg'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import type { Actor } from '../../src/protocol/revocation.ts'
import { rowIds } from '../engine/values.ts'
import { readHighWater, wentBack, writeHighWater, type HighWater } from '../high-water.ts'
import { StoreUnavailable } from '../types.ts'
import { connectPrimary } from './connect.ts'
import { isSame, serverOf } from './connections.ts'
import { readHashAt, readHead, readLineage } from './lineage.ts'
import { OVER_MS } from './process-lease.ts'
import { continued, restored } from './take-over.ts'
import { commitAs } from './transact.ts'
import { mustBeUsable } from './usable.ts'

/**
 * Adopts a database that was recovered, loaded or promoted while no broker could follow it. It is
 * adopted as a restore, which revokes everything, or as the same log where an administrator
 * declares that nothing is missing.
 */

interface AdoptInput {
  /** `postgres://…` */
  url: string
  actor: Actor
  nowMs: () => number
  /**
   * The administrator's declaration that the database has everything that brokers have
   * acknowledged.
   */
  nothingLost: boolean
  /**
   * The path, without its suffix, of the file in which a broker on this machine records how far the
   * log had come.
   */
  mark: string
}

interface Adopted {
  epoch: string
  seq: number
  /** The time of its latest revocation, epoch seconds. */
  lastRevocationAt: number | undefined
  /** The open locks. Where a new log begins, some may have been lifted since. */
  openLocks?: LockTarget[]
}

/**
 * Adopts the database.
 * @throws StoreUnavailable where it cannot be adopted, with what to do
 */
export async function adoptDatabase(input: AdoptInput): Promise<Adopted> {
  const client = await connectPrimary(input.url)
  try {
    await mustBeUsable(client)
    // A broker that was cut off with the former primary may still answer by its lease.
    await sleep(OVER_MS)
    const adopted = await commitAs(client, () => adopt(client, input))
    remember(input.mark, adopted)
    return adopted
  } finally {
    await client.end()
  }
}

/**
 * Writes the high-water mark into the data directory of a broker on this machine, if the directory
 * exists.
 */
export function remember(mark: string, { epoch, seq }: HighWater): void {
  if (!existsSync(dirname(mark))) return
  writeHighWater(mark, { epoch, seq })
}

async function adopt(
  client: Client,
  { actor, nowMs, nothingLost, mark }: AdoptInput,
): Promise<Adopted> {
  const head = await readHead(client, 'FOR UPDATE')
  if (head === undefined)
    throw new StoreUnavailable(
      'The database has no log: no broker has used it. Start one, or restore a backup into it.',
    )
  const [server, [last], remembered] = [
    await serverOf(client),
    await readLineage(client),
    readHighWater(mark),
  ]
  const by = {
    client,
    sources: { nowMs, isCertain: () => false, newId: rowIds(nowMs, randomBytes) },
    server,
    head,
    actor,
    via: 'command',
  } as const
  if (!nothingLost) return restored(by, remembered?.seq ?? 0)
  if (last !== undefined && isSame(server, last))
    throw new StoreUnavailable(
      'Brokers use this database already: there is nothing to adopt. Leave out --nothing-lost to begin a new log.',
    )
  if (
    remembered !== undefined &&
    (remembered.epoch !== head.epoch ||
      wentBack(head, remembered, await readHashAt(client, remembered.seq)))
  )
    throw new StoreUnavailable(
      `Revocations are missing: the log ends at ${head.seq}, and a broker on this machine knows that it had come to ${remembered.seq}. Leave out --nothing-lost.`,
    )
  return { ...(await continued(by)), lastRevocationAt: undefined }
}

import { sql } from 'drizzle-orm'
import type { LockTarget } from '../../src/protocol/lock-target.ts'
import type { Actor } from '../../src/protocol/revocation.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { assign, columnsOf, command, query, type Takes } from '../engine/statement.ts'
import { listLocks } from '../locks/row.ts'
import { appendAudit, concludeAudit } from '../log/audit.ts'
import { beginSegment, lockChain } from '../log/chain.ts'
import { doubtGuardLeases } from '../log/guard-leases.ts'
import { logHeadRow } from '../log/head.ts'
import { appendRevocation } from '../revocation/revoke.ts'
import { audit, auditOutcomes, logHead, revocations, signingKeys } from '../schema.ts'
import type { AuditWay } from '../types.ts'

/**
 * Begins the log of a restored backup: a new log whose first entry revokes everything. No key of
 * the former log signs or verifies any more.
 */

const latest = query(
  columnsOf(revocations, 'at'),
  (_, f) => sql`SELECT ${f} FROM ${revocations} ORDER BY ${revocations.at} DESC LIMIT 1`,
)
const setHead = command(
  (p: Takes<{ seq: number; epoch: string }>) =>
    sql`UPDATE ${logHead} SET ${assign(logHead, { seq: p.seq, epoch: p.epoch })} WHERE ${logHead.id} = 1`,
)
// Retires every key of the backup, because a key that leaked and was retired since would be active
// again. The broker makes new ones when it starts. Keys in files belong to the operator and stay.
const retireKeys = command(
  (p: Takes<{ now: number }>) =>
    sql`UPDATE ${signingKeys} SET ${assign(signingKeys, { state: 'retired', retireAt: p.now })}
      WHERE ${signingKeys.privateSealed} IS NOT NULL AND ${signingKeys.state} <> 'retired'`,
)
const unfinishedBackup = query(
  columnsOf(audit, 'id'),
  (_, f) =>
    sql`SELECT ${f} FROM ${audit} WHERE ${audit.act} = 'backup' AND ${audit.id} NOT IN (SELECT ${auditOutcomes.id} FROM ${auditOutcomes})
      ORDER BY ${audit.id} DESC LIMIT 1`,
)

/**
 * Returns a number ahead of every number that the abandoned log issued, even where that log is lost
 * and the same backup was restored before: no log has more than a hundred revocations a
 * millisecond. The result is below 10^15, the maximum for the feed.
 */
const seqAhead = (backupSeq: number, formerSeq: number, nowMs: number): number =>
  Math.max(Math.max(backupSeq, formerSeq) + 2 ** 32, nowMs * 100)

/**
 * Records the outcome of the backup. The backup was copied before its own audit entry ended; that
 * it can be restored proves that it succeeded.
 */
function* concludeBackup(): Act<void> {
  const backup = yield* unfinishedBackup.get({})
  if (backup !== undefined)
    yield* concludeAudit({ id: backup.id, outcome: 'done', result: { restored: true } })
}

const MOST_LISTED = 1_000

interface Begun {
  /** The number of the revocation of everything. */
  seq: number
  /** The time of the backup's latest revocation, epoch seconds. */
  lastRevocationAt: number | undefined
  /** The locks that are open in the backup, at most a thousand. Some may have been lifted since. */
  openLocks: LockTarget[]
}

interface Restoring {
  actor: Actor
  via: AuditWay
  epoch: string
  /** The last known number of the abandoned log. */
  formerSeq: number
}

export function* beginRestored({ actor, via, epoch, formerSeq }: Restoring): Act<Begun> {
  const nowMs = yield* currentMs()
  const now = Math.floor(nowMs / 1000)
  const lastRevocationAt = (yield* latest.get({}))?.at
  yield* concludeBackup()
  const former = yield* logHeadRow()
  const next = seqAhead(former.seq, formerSeq, nowMs)
  // Each log continues in a new segment that names the backup's head. Chain heads from after the
  // backup are not part of it.
  yield* beginSegment('audit', {
    after: (yield* lockChain('audit')).number,
    at: now,
    why: 'restored',
    epoch,
  })
  yield* beginSegment('revocations', { after: next, at: now, why: 'restored', epoch })
  const details = { seq: former.seq, epoch }
  const id = yield* appendAudit({
    actor,
    via,
    act: 'restore',
    target: `log ${former.epoch}`,
    details,
  })
  yield* setHead.run({ seq: next, epoch })
  yield* doubtGuardLeases(true)
  yield* retireKeys.run({ now })
  const { revocation } = yield* appendRevocation({
    selector: { kind: 'everything' },
    reason: 'restored',
    actor,
    now,
  })
  const openLocks = (yield* listLocks({ state: 'open', limit: MOST_LISTED })).map(
    ({ target }) => target,
  )
  yield* concludeAudit({ id, outcome: 'done', result: { seq: revocation.seq } })
  return { seq: revocation.seq, lastRevocationAt, openLocks }
}

/**
 * Continues the same log on a server that replaced another. All numbers from here on are greater
 * than any that the other server had issued in tokens and revocations.
 * @returns the number from which it continues
 */
export function* continueLog({
  actor,
  via,
  epoch,
  seq,
}: Omit<Restoring, 'formerSeq'> & { seq: number }): Act<number> {
  const next = seq + 2 ** 32
  yield* beginSegment('revocations', {
    after: next,
    at: Math.floor((yield* currentMs()) / 1000),
    why: 'promoted',
    epoch,
  })
  const id = yield* appendAudit({
    actor,
    via,
    act: 'log.continue',
    target: `log ${epoch}`,
    details: { from: seq, to: next },
  })
  yield* setHead.run({ seq: next, epoch })
  yield* doubtGuardLeases(false)
  yield* concludeAudit({ id, outcome: 'done' })
  return next
}

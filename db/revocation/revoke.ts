import { sql } from 'drizzle-orm'
import type { Actor, Selector } from '../../src/protocol/revocation.ts'
import { currentTraceparent } from '../../src/runtime/request-context.ts'
import { type Act, currentMs } from '../engine/act.ts'
import { columnsOf, query, type Takes } from '../engine/statement.ts'
import { addEntry, takeNext } from '../log/append.ts'
import { addUncounted } from '../outbox/add.ts'
import { applyCountChanges, type Move } from '../outbox/counts.ts'
import { raiseFloor } from '../rows/required-freshness.ts'
import { waitForJoins } from '../rows/joins.ts'
import { sessions, subjects } from '../schema.ts'
import { emitRevocation as emitSecurityEvents } from '../stream/emit.ts'
import type { Committed, DeliveryRef, Priority, Revocation, RevokeInput } from '../types.ts'
import { emitRevocation as emitWebhooks } from '../webhook/emit.ts'
import { isNarrow, writeEffect } from './effect.ts'
import { addSessionEntries } from './session-entries.ts'

/**
 * The one function that ends anything. An act that ends a session, a grant or anything wider calls
 * it in its own transaction, and the commit announces the revocation. It rejects nothing: the acts
 * decide whether to revoke.
 */

type RevocationEntry = Omit<RevokeInput, 'alsoAtMicrosoft' | 'presentedSeq'> & {
  /** The priority of its deliveries; the default is `urgent`. */
  priority?: Priority | undefined
}

const ownerOfSession = query(
  columnsOf(sessions, 'sub', 'tid'),
  (p: Takes<{ sid: string }>, f) =>
    sql`SELECT ${f} FROM ${sessions} WHERE ${sessions.sid} = ${p.sid}`,
)
const tenantOfSubject = query(
  columnsOf(subjects, 'tid'),
  (p: Takes<{ sub: string }>, f) =>
    sql`SELECT ${f} FROM ${subjects} WHERE ${subjects.sub} = ${p.sub}`,
)

function* whose(selector: Selector): Act<{ sub?: string | undefined; tid?: string | undefined }> {
  if (isNarrow(selector)) return (yield* ownerOfSession.get({ sid: selector.sid })) ?? {}
  if (selector.kind === 'subject')
    return { sub: selector.sub, ...(yield* tenantOfSubject.get({ sub: selector.sub })) }
  return selector.kind === 'tenant' ? { tid: selector.tid } : {}
}

/** A revocation while its transaction writes it. */
interface Revoking {
  revocation: Revocation
  /** The actor with the tenant of an administrator, which the entry does not keep. */
  actor: Actor
  /** The user whom the revocation concerns; undefined if that is not exactly one. */
  sub: string | undefined
  /** The time of its entry in the log, which is never before that of the entry before it. */
  entryAtMs: number
  atMs: number
  /** The time by the broker's clock, epoch seconds: the entry may be dated later. */
  now: number
  priority: Priority
  /** The deliveries that it has added. */
  pending: DeliveryRef[]
  /** The hash of the chain and the registry's version, once its entry is written. */
  entry: Pick<Committed, 'hash' | 'registryVersion'>
  moves: Move[]
}

/**
 * Writes one effect of a revocation.
 * @returns the deliveries that it adds
 */
type Writer = (revoking: Revoking) => Act<readonly DeliveryRef[] | void>

/**
 * Adds the deliveries of a session or a grant. Those of a wider revocation are added later, in
 * batches (fan-out.ts).
 */
function* addDeliveries({
  revocation: { seq, selector },
  sub,
  atMs,
  priority,
  moves,
}: Revoking): Act<readonly DeliveryRef[]> {
  if (sub === undefined || !isNarrow(selector)) return []
  const clientId = 'clientId' in selector ? selector.clientId : undefined
  return yield* addUncounted(
    { seq, atMs, sid: selector.sid, sub, clientId, wide: false, priority },
    moves,
  )
}

function* writeSessionEntries(revoking: Revoking): Act<void> {
  const { revocation, now } = revoking
  revoking.revocation = { ...revocation, ...(yield* addSessionEntries(revocation, now)) }
}

/**
 * The effects of a revocation. Each writer decides by the selector whether it has something to
 * write. Their order is the order in which every act takes these locks: the session, the floors,
 * the head of the chain, the webhook endpoints, the counts.
 */
const WRITERS: readonly Writer[] = [
  ({ revocation, actor }) => writeEffect({ ...revocation, actor }),
  writeSessionEntries,
  addDeliveries,
  ({ revocation, actor, sub }) =>
    raiseFloor({ ...revocation, actor }, { seq: revocation.seq, sub }),
  function* (revoking) {
    revoking.entry = yield* addEntry(revoking.revocation, revoking.entryAtMs)
  },
  ({ revocation, sub, moves }) => emitWebhooks(revocation, sub, moves),
  ({ revocation, sub, moves }) => emitSecurityEvents(revocation, sub, moves),
  ({ moves }) => applyCountChanges(moves),
]

/**
 * Appends a revocation and writes its effects. It is in force, and announced, when this act
 * commits.
 */
export function* appendRevocation({
  now,
  priority = 'urgent',
  ...entry
}: RevocationEntry): Act<Committed> {
  const { selector, reason, actor, caseReference, comment } = entry
  // Taken before the head, because an act that joins may wait for the head.
  if (selector.kind === 'client') yield* waitForJoins(selector.clientId)
  // The number is taken before anything is read, so that everything read afterwards is current.
  const { seq, at, atMs: entryAtMs } = yield* takeNext(now)
  const atMs = yield* currentMs()
  const { sub, tid } = yield* whose(selector)
  const narrow = isNarrow(selector)
  const revocation: Revocation = {
    seq,
    selector,
    tid,
    reason,
    actor: { kind: actor.kind, id: actor.id },
    at,
    caseReference,
    comment,
    fanOut: narrow ? 'complete' : 'pending',
    sessions: narrow ? 1 : 0,
    traceparent: currentTraceparent() ?? undefined,
  }
  const revoking: Revoking = {
    revocation,
    actor,
    sub,
    now,
    entryAtMs,
    atMs,
    priority,
    pending: [],
    entry: { hash: '', registryVersion: 0 },
    moves: [],
  }
  for (const write of WRITERS) revoking.pending.push(...((yield* write(revoking)) ?? []))
  const committed: Committed = {
    revocation: revoking.revocation,
    sub,
    pending: revoking.pending,
    ...revoking.entry,
  }
  yield { revoked: committed }
  return committed
}

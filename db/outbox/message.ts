import { currentTraceparent } from '../../src/runtime/request-context.ts'
import { type Act, newId } from '../engine/act.ts'
import { command, insertInto, pick, type Takes } from '../engine/statement.ts'
import { deliveries } from '../schema.ts'
import type { DeliveryKind, DeliveryRef } from '../types.ts'
import { AT_ONCE } from './add.ts'
import type { Move } from './counts.ts'
import { HELD, priorityNumber } from './row.ts'

/**
 * Adds a delivery whose message is built from its payload: a webhook event or a security event
 * token, for one target.
 */

type Message = {
  kind: Exclude<DeliveryKind, 'logout_token'>
  targetId: string
  /** The user that the message names. Erasing the user erases the message. */
  sub: string | null
  payload: string
  atMs: number
}
type Written = Message & {
  id: string
  priority: number
  nextAttemptAtMs: number
  traceparent: string | null
}

const insert = command((p: Takes<Written>) =>
  insertInto(deliveries, {
    id: p.id,
    kind: p.kind,
    clientId: p.targetId,
    ...pick(p, 'targetId', 'sub', 'payload', 'priority'),
    state: 'pending',
    attempts: 0,
    createdAtMs: p.atMs,
    nextAttemptAtMs: p.nextAttemptAtMs,
    traceparent: p.traceparent,
  }),
)

/**
 * Adds the delivery, held for its receiver where `held` is set.
 * @param moves takes the change of state: the caller has to run `applyCountChanges` with it
 */
export function* addMessage(
  { held = false, ...message }: Message & { held?: boolean },
  moves: Move[],
): Act<DeliveryRef> {
  const id = yield* newId()
  const { targetId } = message
  yield* insert.run({
    ...message,
    id,
    priority: priorityNumber('background'),
    nextAttemptAtMs: held ? HELD : AT_ONCE,
    traceparent: currentTraceparent(),
  })
  moves.push({ clientId: targetId, seq: null, from: undefined, to: 'pending' })
  return { id, attempt: 1, targetId, priority: 'background' }
}

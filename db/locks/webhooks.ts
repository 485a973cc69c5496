import type { LockTarget } from '../../src/protocol/lock-target.ts'
import type { Actor, Selector } from '../../src/protocol/revocation.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import type { Act, Ambient } from '../engine/act.ts'
import { emit } from '../webhook/emit.ts'

/** What webhooks say of locks. Of a user who has never signed in they say nothing: no receiver knows them. */

export const selectorOf = (target: LockTarget, sub: string | undefined): Selector | undefined => {
  if (target.kind === 'client') return { kind: 'client', clientId: target.clientId }
  if (target.kind === 'tenant') return { kind: 'tenant', tid: target.tid }
  return sub === undefined ? undefined : { kind: 'subject', sub }
}

interface Said {
  actor: Actor
  caseReference?: string | undefined
  comment?: string | undefined
  until?: number | undefined
}

export function* tell(ambient: Ambient, type: 'lock.placed' | 'lock.lifted', selector: Selector | undefined, said: Said): Act<void> {
  if (selector === undefined) return
  const { actor, caseReference, comment, until } = said
  const data = { selector: encodeSelector(selector), actor_kind: actor.kind, actor: actor.id, case_reference: caseReference, comment }
  yield* emit(ambient, type === 'lock.placed' ? { type, data: { ...data, until } } : { type, data })
}

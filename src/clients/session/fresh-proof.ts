import type { Context } from 'hono'
import type { FreshProof } from '../../../db/store.ts'
import type { User } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { isSame, usersCookie, type Who } from './users-cookie.ts'

/**
 * This browser's proof of fresh sign-ins, sealed: who, and the head of the log when the visit departed. It meets every floor up to there, so that
 * a revocation costs a password once in each browser, and single sign-on goes on. It outlives sign-out, and meets no later floor.
 */

/** Which authentication context, and the head of the log when the visit departed that brought it. */
export interface ContextProof {
  id: string
  seq: number
}

export interface Proven {
  /** 0: there was no fresh visit. */
  seq: number
  /** Left out: no fresh visit brought the tenant's authentication context too. */
  context?: ContextProof | undefined
}

/** 400 days: browsers keep no cookie longer. */
const cookie = usersCookie<Who & Proven>({ name: '__Host-cmb_fresh', place: 'session/fresh_proof', seconds: 400 * 86_400 })

/** What this browser's latest fresh visits of this user proved. */
export const provenBefore = (deps: Pick<Deps, 'sealer'>, c: Context, user: Who): Proven => provenOf(cookie.read(deps, c), user)

function provenOf(proofs: readonly (Who & Proven)[], user: Who): Proven {
  const { seq, context }: Proven = proofs.find((proof) => isSame(proof, user)) ?? { seq: 0 }
  return { seq, context }
}

export const latest = (before: Proven, now: Proven): Proven => ({
  seq: Math.max(before.seq, now.seq),
  context: latestContext(before.context, now.context),
})

/** A proof with a context that the tenant no longer demands gives way. */
function latestContext(before: ContextProof | undefined, now: ContextProof | undefined): ContextProof | undefined {
  if (before === undefined || now === undefined || before.id !== now.id) return now ?? before
  return before.seq < now.seq ? now : before
}

/** @param context that the user's tenant demands; a proof with another one does not serve */
export const freshProof = ({ seq, context: proven }: Proven, context: string | undefined): FreshProof => ({
  provenSeq: seq,
  contextSeq: context === undefined ? undefined : proven?.id === context ? proven.seq : 0,
})

/** @param proven by the sign-in that has just come back. It changes nothing where the earlier proof is as good. */
export function keepProof(deps: Pick<Deps, 'sealer'>, c: Context, { tid, oid }: User, proven: Proven): void {
  const proofs = cookie.read(deps, c)
  const before = provenOf(proofs, { tid, oid })
  const kept = latest(before, proven)
  if (kept.seq === before.seq && kept.context === before.context) return
  cookie.put(deps, c, { tid, oid, ...kept }, proofs)
}

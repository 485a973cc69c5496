import type { Context } from 'hono'
import type { User } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { isSame, usersCookie, type Who } from './users-cookie.ts'

/**
 * This browser's proof of fresh sign-ins, sealed: who, and the head of the log when the visit departed. It meets every floor up to there, so that
 * a revocation costs a password once in each browser, and single sign-on goes on. It outlives sign-out, and meets no later floor.
 */

interface Proof extends Who {
  seq: number
}

/** 400 days: browsers keep no cookie longer. */
const cookie = usersCookie<Proof>({ name: '__Host-cmb_fresh', place: 'session/fresh_proof', seconds: 400 * 86_400 })

/** The head of the log when this user's latest fresh visit by this browser departed; 0: there was none. */
export const provenBefore = (deps: Pick<Deps, 'sealer'>, c: Context, user: Who): number =>
  cookie.read(deps, c).find((proof) => isSame(proof, user))?.seq ?? 0

/** @param seq of the visit that has just come back; 0: it was not fresh, and an earlier proof stays */
export function keepProof(deps: Pick<Deps, 'sealer'>, c: Context, { tid, oid }: User, seq: number): void {
  if (seq <= provenBefore(deps, c, { tid, oid })) return
  cookie.put(deps, c, { tid, oid, seq }, cookie.read(deps, c))
}

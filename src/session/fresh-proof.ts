import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { User } from '../../db/types.ts'
import type { Deps } from '../deps.ts'

/**
 * This browser's proof of fresh sign-ins, sealed: who, and the head of the log when the visit departed. It meets every floor up to there, so that
 * a revocation costs a password once in each browser, and single sign-on goes on. It outlives sign-out, and meets no later floor.
 */

const COOKIE = '__Host-cmb_fresh'
const PLACE = 'session/fresh_proof'
/** Browsers keep no cookie longer. */
const SECONDS = 400 * 86_400
/** Users of one browser. */
const MOST_USERS = 8

interface Proof extends Pick<User, 'tid' | 'oid'> {
  seq: number
}

function readProofs(deps: Pick<Deps, 'sealer'>, c: Context): Proof[] {
  const sealed = getCookie(c, COOKIE)
  const opened = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)
  return opened === undefined ? [] : (JSON.parse(opened.toString('utf8')) as Proof[])
}

const isOf =
  ({ tid, oid }: Pick<User, 'tid' | 'oid'>) =>
  (proof: Proof): boolean =>
    proof.tid === tid && proof.oid === oid

/** The head of the log when this user's latest fresh visit by this browser departed; 0: there was none. */
export const provenBefore = (deps: Pick<Deps, 'sealer'>, c: Context, user: Pick<User, 'tid' | 'oid'>): number =>
  readProofs(deps, c).find(isOf(user))?.seq ?? 0

/** @param seq of the visit that has just come back; 0: it was not fresh, and an earlier proof stays */
export function keepProof(deps: Pick<Deps, 'sealer'>, c: Context, user: User, seq: number): void {
  if (seq <= provenBefore(deps, c, user)) return
  const others = readProofs(deps, c).filter((proof) => !isOf(user)(proof))
  const proofs: Proof[] = [{ tid: user.tid, oid: user.oid, seq }, ...others].slice(0, MOST_USERS)
  const sealed = deps.sealer.seal(PLACE, JSON.stringify(proofs))
  setCookie(c, COOKIE, sealed, { path: '/', secure: true, httpOnly: true, sameSite: 'Lax', maxAge: SECONDS })
}

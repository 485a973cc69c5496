import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { answerOfCallback, refusalOf } from '../../microsoft/aadsts.ts'
import { type MicrosoftIdentity, MicrosoftRefusal } from '../../microsoft/interface.ts'
import { sha256 } from '../../runtime/compare.ts'
import { type Params, tryParams } from '../../protocol/params.ts'
import { knownUser } from '../../clients/session/known-user.ts'
import { withEarlier } from './earlier-visits.ts'
import { clockIsWrong } from './clock-is-wrong.ts'
import type { NotAdmitted } from './judge.ts'
import { notAdmitted } from './not-admitted.ts'
import { signIn } from './open-session.ts'
import { guidancePage } from './pages.tsx'
import { open, type Visit } from './sealed.ts'
import { stalePage, usedPage } from './stale.tsx'
import { visitAgain } from './to-microsoft.ts'

/** Back from Microsoft: the visit is ours, of this browser, and used once; what it brought is judged; a session opens and its code is issued in one transaction. */
export async function callback(deps: Deps, c: Context, now: number): Promise<Response> {
  const params = tryParams(new URL(c.req.url).searchParams)
  const opened = open(deps, c, 'visit', params?.get('state'), now)
  if ((opened.how === 'good' || opened.how === 'late') && deps.clockWatch.disagrees()) return clockIsWrong(deps, c, opened.value.errand, now)
  if (opened.how !== 'good') return stalePage(deps, c, opened.how, opened.how === 'foreign' ? undefined : opened.value.errand, now)
  const visit = opened.value
  if (params === undefined || (await isUsed(deps, visit, params, opened.until, now))) return usedPage(deps, c, visit.errand, now)
  try {
    const identity = await identify(deps, visit, params, now)
    const tenant = await deps.store.findTenant(identity.user.tid)
    const came = withEarlier(deps.config, visit, identity, tenant)
    const rejected = (why: NotAdmitted) => notAdmitted(deps, c, came, why, now)
    return await signIn(deps, c, { ...came, tenant }, { now, rejected })
  } catch (error) {
    // Ignores the refusal's effect on sessions: the user is not authenticated yet.
    if (error instanceof MicrosoftRefusal) return refused(deps, c, visit, error, { now, brought: bringsError(params) })
    throw error
  }
}

/** Consumes the visit before its code is redeemed: of two callbacks at once one goes on. Without a code no session can open, and nothing is stored. */
async function isUsed({ store }: Deps, { id }: Visit, params: Params, until: number, now: number): Promise<boolean> {
  const once = { purpose: 'microsoft-visit', idHash: sha256(id) }
  return bringsError(params) ? store.wasConsumed(once) : !(await store.consumeOnce({ ...once, expiresAt: until + 60, now }))
}

/** The answer is in the query itself, which Microsoft does not sign. */
const bringsError = (params: Params): boolean => params.has('error') || !params.has('code')

/** @throws MicrosoftRefusal */
async function identify(deps: Deps, visit: Visit, params: Params, now: number): Promise<MicrosoftIdentity> {
  const code = params.get('code')
  if (bringsError(params) || code === undefined) throw refusalOf(answerOfCallback(params))
  return deps.microsoft.redeemCode({ code, codeVerifier: visit.verifier, nonce: visit.nonce, tid: visit.tid, now })
}

function refused(
  deps: Deps,
  c: Context,
  visit: Visit,
  error: MicrosoftRefusal,
  { now, brought }: { now: number; brought: boolean },
): Response | Promise<Response> {
  // Microsoft says itself what it wants; asked for it once, not forever.
  if (error.claims !== undefined && !visit.asked?.includes('challenge')) return visitAgain(deps, c, visit, 'challenge', { claims: error.claims }, now)
  const who = knownUser(deps, c, now)
  if (who !== undefined) deps.signInWatch.failed(who, error.guidance)
  // What a browser brings is not Microsoft's own answer: operators are not paged by it.
  const counter = brought ? deps.metrics.callbackErrors : deps.metrics.signIns
  counter.inc({ outcome: error.guidance })
  return guidancePage(deps, c, {
    key: error.guidance,
    errand: visit.errand,
    now,
    code: error.code,
    cause: error.cause ?? error,
    retryAfterSeconds: error.retryAfterSeconds,
  })
}

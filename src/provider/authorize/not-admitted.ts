import type { Context } from 'hono'
import type { SignInFrom } from '../../../db/store.ts'
import type { Deps } from '../deps.ts'
import { addressOf } from '../../clients/session/address.ts'
import { deviceName } from '../../clients/session/device.ts'
import type { NotAdmitted } from './judge.ts'
import { guidancePage } from './pages.tsx'
import { answerInstance } from './reply.tsx'
import type { Came, Visit } from './sealed.ts'
import { visitAgain } from './to-microsoft.ts'

/** What a user gets whom Microsoft has identified and who is not signed in: one further visit, a page, or the answer to their instance. */

export async function notAdmitted(deps: Deps, c: Context, { visit, identity }: Came, judgement: NotAdmitted, now: number): Promise<Response> {
  const { errand } = visit
  if ('demand' in judgement) {
    const loginHint = identity.loginHint ?? identity.user.username
    return visitAgain(deps, c, visit, judgement.demand, { ...judgement.ask, loginHint }, now)
  }
  const why = 'guidance' in judgement ? judgement.guidance : 'mfa_not_proved'
  deps.signInWatch.failed(identity.user, why)
  const device = deviceName(c.req.header('user-agent'))
  await deps.store.recordRejectedSignIn({ user: identity.user, why, device, from: signInFrom(deps, c, errand), now })
  if ('tell' in judgement && errand.kind === 'instance') {
    deps.metrics.signIns.inc({ outcome: judgement.tell.code })
    return answerInstance(deps, c, errand.request.reply, judgement.tell)
  }
  deps.metrics.signIns.inc({ outcome: why })
  return guidancePage(deps, c, { key: why, errand, now })
}

/** What the security history says of where a sign-in came from. */
export const signInFrom = (deps: Pick<Deps, 'config'>, c: Context, errand: Visit['errand']): SignInFrom => ({
  address: addressOf(deps, c),
  clientId: errand.kind === 'instance' ? errand.request.clientId : undefined,
})

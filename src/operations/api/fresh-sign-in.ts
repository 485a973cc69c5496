import { Hono } from 'hono'
import { z } from 'zod'
import { onlyHere } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import { encodeSelector } from '../../protocol/selector.ts'
import type { AdminEnv } from './caller.ts'
import { ok, route, said } from './route.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Waivers of the fresh sign-in that a revocation demands, where users cannot prove one. Only the socket on the broker's own machine makes them. */

const MOST_HOURS = 168
const request = z.strictObject({
  selector: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('subject'), sub: storedText().min(1).max(200) }),
    z.strictObject({ kind: z.literal('tenant'), tid: z.guid() }),
  ]),
  hours: z.int().min(1).max(MOST_HOURS),
  ...said,
})
const WAIVE = {
  id: 'waiveFreshSignIn',
  summary: 'Waives the fresh sign-in for some hours, after revocations up to now; only by the socket on the broker’s own machine',
  may: 'administer' as const,
  body: request,
  answers: { 201: ok('Waived.', z.object({ until: seconds, seq: z.int().meta({ description: 'later revocations are demanded' }) })) },
  rejects: [404] as const,
}

export function freshSignInRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/fresh-sign-in/waivers', WAIVE, async ({ caller, body: { selector, hours, case_reference: caseReference, comment } }, c) => {
    onlyHere(caller, 'cmb fresh-sign-in waive')
    const until = deps.clock.now() + hours * 3600
    const target = Object.values(encodeSelector(selector)).join(' ')
    const entry = { act: 'fresh_sign_in.waive', target, caseReference, comment, details: { hours, until } }
    const waive = async (): Promise<number> => {
      const answer = await deps.store.waiveFreshSignIn({ selector, untilAt: until })
      if (answer.outcome === 'waived') return answer.seq
      throw new Problem(404, 'Not found', 'There is no such user; cmb sessions list --user finds their sub.')
    }
    const seq = await recorded(deps, caller, entry, waive, (answer) => ({ seq: answer }))
    deps.log.warn('fresh_sign_in_waived', { target, until, seq, actor: caller.actor.id })
    return c.json({ until, seq }, 201)
  })
  return routes
}

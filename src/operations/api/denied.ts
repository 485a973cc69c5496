import type { Context } from 'hono'
import { Problem } from '../../clients/problem.ts'
import { audited } from '../../../db/audited.ts'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './caller.ts'

/** Records in the audit log what a caller was denied (403). A caller that repeats itself is recorded once a minute for each address. */

const SECONDS = 60
const MOST = 1_000

export function deniedActs(deps: Deps): (problem: unknown, c: Context<AdminEnv>) => Promise<void> {
  const until = new Map<string, number>()
  return async (problem, c) => {
    const caller = c.get('caller') as AdminEnv['Variables']['caller'] | undefined
    if (!(problem instanceof Problem) || problem.status !== 403 || caller === undefined) return
    const now = deps.clock.now()
    const target = `${c.req.method} ${c.req.path}`.slice(0, 200)
    const key = `${caller.actor.id} ${target}`
    if ((until.get(key) ?? 0) > now) return
    if (until.size >= MOST) until.clear()
    until.set(key, now + SECONDS)
    const reject = async (): Promise<never> => {
      throw problem
    }
    const entry = { actor: caller.actor, via: caller.via, act: 'api.denied', target }
    await audited(deps.store, entry, reject, { refusal: () => ({ title: problem.title, detail: problem.message }) }).catch(() => undefined)
  }
}

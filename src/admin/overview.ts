import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { MOST_SHOWN, workShown } from '../acts/microsoft-work.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { examine } from '../checks/doctor.ts'
import { guardsNow } from '../acts/guards.ts'
import type { Readiness } from '../checks/readiness.ts'

/** What is up, which guards enforce what, and what `cmb doctor` finds from inside. */
export function overviewRoutes(deps: Deps, readiness: () => Promise<Readiness>): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/status', async (c) => {
    callerOf(c, 'operate')
    const [report, head, targets, sessions, givenUp] = await Promise.all([
      readiness(),
      deps.store.head(),
      deps.store.owedTargets(),
      deps.store.liveSessionCount(deps.clock.now()),
      deps.store.deadMicrosoftWork(MOST_SHOWN),
    ])
    const owed = targets.map((target) => ({
      target_id: target.targetId,
      client_id: target.clientId,
      uri: target.uri,
      owed: target.owed,
      oldest_at_ms: target.oldestAtMs,
    }))
    return c.json({ ...report, issuer: deps.config.issuer, log: head, live_sessions: sessions, owed, given_up_at_microsoft: givenUp.map(workShown) })
  })
  routes.get('/guards', async (c) => {
    callerOf(c, 'operate')
    return c.json(await guards(deps))
  })
  routes.get('/doctor', async (c) => {
    callerOf(c, 'operate')
    return c.json({ findings: await examine(deps, readiness) })
  })
  return routes
}

async function guards(deps: Deps): Promise<Record<string, unknown>> {
  const { log, guards: list } = await guardsNow(deps)
  const shown = list.map((one) => ({
    client_id: one.clientId,
    guard_id: one.guardId,
    connected: one.connected,
    applied_seq: one.applied ?? null,
    behind: one.behind ?? null,
    reported_at_ms: one.reportedAtMs ?? null,
  }))
  return { log, guards: shown }
}

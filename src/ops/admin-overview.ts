import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { examine } from './doctor.ts'
import type { Readiness } from './readiness.ts'

/** What is up, which guards enforce what, and what `cmb doctor` finds from inside. */
export function overviewRoutes(deps: Deps, readiness: () => Promise<Readiness>): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/status', async (c) => {
    callerOf(c, 'operate')
    const [report, head, targets, sessions] = await Promise.all([
      readiness(),
      deps.store.head(),
      deps.store.owedTargets(),
      deps.store.liveSessionCount(deps.clock.now()),
    ])
    const owed = targets.map((target) => ({
      target_id: target.targetId,
      client_id: target.clientId,
      uri: target.uri,
      owed: target.owed,
      oldest_at_ms: target.oldestAtMs,
    }))
    return c.json({ ...report, issuer: deps.config.issuer, log: head, live_sessions: sessions, owed })
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

/** A guard that follows the feed now, or has reported in this epoch; `behind` counts the log's rows that it does not enforce yet. */
async function guards(deps: Deps): Promise<Record<string, unknown>> {
  const [head, reports] = await Promise.all([deps.store.head(), deps.store.guardReports()])
  const streams = deps.feed.streams()
  const name = (clientId: string, guardId: string): string => JSON.stringify([clientId, guardId])
  const names = new Set([...reports, ...streams].map((one) => name(one.clientId, one.guardId)))
  const list = [...names].map((key) => {
    const report = reports.find((one) => name(one.clientId, one.guardId) === key)
    const stream = streams.find((one) => name(one.clientId, one.guardId) === key)
    const applied = report?.epoch === head.epoch ? report.appliedSeq : stream?.appliedSeq
    const { clientId, guardId } = (report ?? stream) as { clientId: string; guardId: string }
    return {
      client_id: clientId,
      guard_id: guardId,
      connected: stream !== undefined,
      applied_seq: applied ?? null,
      behind: applied === undefined ? null : Math.max(0, head.seq - applied),
      reported_at_ms: report?.reportedAtMs ?? null,
    }
  })
  return { log: head, guards: list }
}

import { Hono } from 'hono'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { MOST_SHOWN, workShown } from '../acts/microsoft-work.ts'
import { findingSchema, readinessSchema } from '../checks/described.ts'
import { milliseconds } from '../../protocol/described.ts'
import { positionSchema } from './backup.ts'
import type { AdminEnv } from './caller.ts'
import { ok, route, shape } from './route.ts'
import { brokersNow } from '../acts/brokers.ts'
import { guardsNow } from '../acts/guards.ts'
import type { Checks } from '../checks/checks.ts'
import { readinessOf } from '../checks/readiness.ts'

const status = readinessSchema
  .extend({
    issuer: z.string(),
    log: positionSchema,
    live_sessions: z.int(),
    brokers: z
      .array(
        z.object({
          id: z.string(),
          kind: z.enum(['broker', 'worker']),
          work: z.string().meta({ description: 'its background work: all, none, or names by comma' }),
          host: z.string(),
          version: z.string(),
          started_at_ms: milliseconds,
          seen_at_ms: milliseconds,
          heartbeat_age_ms: z.int().meta({ description: 'since its latest heartbeat, by the clock of the broker that answers' }),
        }),
      )
      .meta({ description: 'the brokers and workers that share the store, with a heartbeat within the last minute; empty on SQLite' }),
    pending: z.array(z.object({ target_id: z.string(), client_id: z.string(), uri: z.string(), pending: z.int(), oldest_at_ms: milliseconds })),
    undelivered: z
      .array(z.object({ client_id: z.string(), state: z.enum(['rejected', 'failed']), count: z.int() }))
      .meta({ description: 'deliveries that the broker does not retry' }),
    failed_microsoft_work: z.array(
      z.object({
        kind: z.string(),
        tid: z.string(),
        oid: z.string(),
        attempts_made: z.int(),
        asked_at_ms: milliseconds,
        last_error: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'Status' })
const guard = shape('Guard', {
  client_id: z.string(),
  guard_id: z.string(),
  connected: z.boolean(),
  enforced_seq: z.int().nullable().meta({ description: 'the seq it enforces' }),
  behind: z.int().nullable(),
  reported_at_ms: milliseconds.nullable(),
  first_seen_at_ms: milliseconds.nullable(),
  first_seq: z.int().nullable().meta({ description: 'where its reports begin: its first snapshot held what was revoked up to there' }),
  version: z.string().nullable(),
  outdated: z.boolean().meta({ description: 'it says no version, or one older than the guard of this broker' }),
  staleness: z.object({ after_seconds: z.int(), policy: z.enum(['refuse', 'introspect']) }).nullable(),
  clock_offset_seconds: z.int().nullable().meta({ description: 'the broker’s clock less the guard’s' }),
})
const reading = { may: 'operate' } as const
const STATUS = {
  id: 'readStatus',
  summary: 'Shows what is up, the head of the log, and pending deliveries by target',
  ...reading,
  answers: { 200: ok('The status.', status) },
}
const GUARDS = {
  id: 'listGuards',
  summary: 'Lists guards, and how far each enforces the log',
  ...reading,
  answers: { 200: ok('All of them.', z.object({ log: positionSchema, guards: z.array(guard) })) },
}
const DOCTOR = {
  id: 'examine',
  summary: 'Runs every check, as cmb doctor does',
  ...reading,
  answers: { 200: ok('The findings.', z.object({ findings: z.array(findingSchema) })) },
}

const brokerShown = (one: Awaited<ReturnType<typeof brokersNow>>[number]) => ({
  id: one.id,
  kind: one.kind,
  work: one.work,
  host: one.host,
  version: one.version,
  started_at_ms: one.startedAtMs,
  seen_at_ms: one.seenAtMs,
  heartbeat_age_ms: one.heartbeatAgeMs,
})

/** What is up, which guards enforce what, and what `cmb doctor` finds from inside. */
export function overviewRoutes(deps: Deps, checks: Checks): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'get', '/status', STATUS, async (_, c) => {
    const [report, head, targets, sessions, failedWork, counts, brokers] = await Promise.all([
      readinessOf(deps, checks),
      deps.store.head(),
      deps.store.pendingTargets(),
      deps.store.liveSessionCount(deps.clock.now()),
      deps.store.failedMicrosoftWork(MOST_SHOWN),
      deps.store.deliveryCounts(),
      brokersNow(deps),
    ])
    const pending = targets.map((target) => ({
      target_id: target.targetId,
      client_id: target.clientId,
      uri: target.uri,
      pending: target.pending,
      oldest_at_ms: target.oldestAtMs,
    }))
    const undelivered = counts
      .filter(({ state }) => state === 'rejected' || state === 'failed')
      .map(({ clientId, state, count }) => ({ client_id: clientId, state, count }))
    return c.json({
      ...report,
      issuer: deps.config.issuer,
      log: head,
      live_sessions: sessions,
      brokers: brokers.map(brokerShown),
      pending,
      undelivered,
      failed_microsoft_work: failedWork.map(workShown),
    })
  })
  route(routes, 'get', '/guards', GUARDS, async (_, c) => c.json(await guards(deps)))
  route(routes, 'get', '/doctor', DOCTOR, async (_, c) => c.json({ findings: await checks.look({ fresh: true }) }))
  return routes
}

async function guards(deps: Deps): Promise<Record<string, unknown>> {
  const { log, guards: list } = await guardsNow(deps)
  const shown = list.map((one) => ({
    client_id: one.clientId,
    guard_id: one.guardId,
    connected: one.connected,
    enforced_seq: one.enforced ?? null,
    behind: one.behind ?? null,
    reported_at_ms: one.reportedAtMs ?? null,
    first_seen_at_ms: one.firstSeenAtMs ?? null,
    first_seq: one.firstSeq ?? null,
    version: one.version ?? null,
    outdated: one.outdated,
    staleness: one.staleness === undefined ? null : { after_seconds: one.staleness.afterSeconds, policy: one.staleness.policy },
    clock_offset_seconds: one.clockOffsetSeconds ?? null,
  }))
  return { log, guards: shown }
}

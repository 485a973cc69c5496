import type { Clock } from '../runtime/clock.ts'
import { about, secondsOf } from './graph-answer.ts'
import { type Graph, GraphProblem } from './interface.ts'
import type { Answer } from './transport.ts'

/**
 * Reads a user's risk from Identity Protection. After a failed read for a tenant, reads for it
 * pause, because Graph's limits are low and shared by all applications.
 */

const PAUSE_SECONDS = 60
const MOST_PAUSE_SECONDS = 3600
const SELECT = '$select=id,riskLevel,riskState,riskLastUpdatedDateTime'

type Get = (tid: string, path: string) => Promise<Answer>

export function riskReader(get: Get, clock: Pick<Clock, 'now'>): Pick<Graph, 'riskSince'> {
  /** Pauses by tenant. The map stays small, because only connected tenants are requested. */
  const paused = new Map<string, { from: number; until: number }>()
  return {
    async riskSince(tid, oid) {
      const pause = paused.get(tid)
      const now = clock.now()
      // If the clock was set back, the pause does not apply.
      if (pause !== undefined && now >= pause.from && now < pause.until) return 'paused'
      try {
        return sinceOf(
          await get(tid, `/identityProtection/riskyUsers/${encodeURIComponent(oid)}?${SELECT}`),
          oid,
        )
      } catch (error) {
        const seconds = error instanceof GraphProblem ? error.retryAfterSeconds : undefined
        paused.set(tid, {
          from: now,
          until: now + Math.min(seconds ?? PAUSE_SECONDS, MOST_PAUSE_SECONDS),
        })
        throw error
      }
    },
  }
}

function sinceOf(answer: Answer, oid: string): number | undefined {
  // A user who was never at risk has no entry.
  if (answer.status === 404) return undefined
  const { riskLevel, riskState, riskLastUpdatedDateTime: since } = about(answer, oid)
  const high =
    riskState === 'confirmedCompromised' || (riskState === 'atRisk' && riskLevel === 'high')
  return high ? secondsOf(since) : undefined
}

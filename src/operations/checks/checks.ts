import { within } from '../../runtime/concurrency.ts'
import type { Deps } from '../deps.ts'
import { type Check, type CheckContext, contextOf, lookOf, urgencyOf } from './check.ts'
import { failed, type Finding, type Found, message } from './finding.ts'
import { CHECKS } from './list.ts'

/** Runs the checks. The results of expensive ones are kept for as long as their entry says. */

/** Time limit of a check. One that hangs counts as failed. */
const LOOK_MS = 6_000
/** Time limit of a check that only `cmb doctor` waits for. */
const LONG_LOOK_MS = 60_000

export interface Checks {
  /**
   * Returns the findings of the checks that `which` accepts. With `fresh`, kept results are renewed
   * and `on_demand` checks run. With `atMostSeconds`, kept results that are older are renewed.
   */
  look(options?: {
    fresh?: boolean
    atMostSeconds?: number
    which?: ((check: Check) => boolean) | undefined
  }): Promise<Finding[]>
  /**
   * Returns since when this process has seen a warning or failure of this check and subject without
   * interruption, in epoch milliseconds.
   */
  since(finding: Pick<Finding, 'check' | 'about'>): number | undefined
}

interface Kept {
  atMs: number
  findings: Promise<Finding[]>
  /** The findings of the last completed run. */
  ended: Finding[]
}

export function createChecks(deps: Deps, list: readonly Check[] = CHECKS): Checks {
  const kept = new Map<string, Kept>()
  const seen = createSeen(deps)
  const startedMs = deps.clock.steadyMs()
  const current = async (
    check: Check,
    context: CheckContext,
    { fresh, atMostSeconds }: { fresh: boolean; atMostSeconds: number },
  ): Promise<Finding[]> => {
    if (typeof check.cost !== 'object') return run(deps, check, context)
    const { everySeconds, background = false } = check.cost
    const nowMs = deps.clock.steadyMs()
    let last = kept.get(check.id)
    if (
      fresh ||
      last === undefined ||
      nowMs - last.atMs >= Math.min(everySeconds, atMostSeconds) * 1000
    ) {
      const next: Kept = {
        atMs: nowMs,
        findings: run(deps, check, context),
        ended: last?.ended ?? [],
      }
      void next.findings.then((findings) => (next.ended = findings))
      kept.set(check.id, (last = next))
    }
    return background && !fresh ? last.ended : last.findings
  }
  return {
    async look({ fresh = false, atMostSeconds = Infinity, which = () => true } = {}) {
      const context = contextOf(deps, startedMs)
      const due = list.filter((check) => which(check) && (fresh || check.cost !== 'on_demand'))
      const found = await Promise.all(
        due.map((check) => current(check, context, { fresh, atMostSeconds })),
      )
      for (const [index, { id }] of due.entries()) seen.note(id, found[index] ?? [])
      return found.flat()
    },
    since: seen.since,
  }
}

/**
 * Remembers when each problem was first seen. A problem that is no longer reported is forgotten.
 */
function createSeen({ clock }: Pick<Deps, 'clock'>) {
  const first = new Map<string, Map<string, number>>()
  return {
    note(check: string, findings: readonly Finding[]): void {
      const before = first.get(check)
      const wrong = findings.filter(({ state }) => state === 'warning' || state === 'failed')
      first.set(
        check,
        new Map(wrong.map(({ about = '' }) => [about, before?.get(about) ?? clock.nowMs()])),
      )
    },
    since: ({ check, about = '' }: Pick<Finding, 'check' | 'about'>): number | undefined =>
      first.get(check)?.get(about),
  }
}

async function run(deps: Deps, check: Check, context: CheckContext): Promise<Finding[]> {
  const waitedFor =
    typeof check.cost === 'object' ? check.cost.background !== true : check.cost !== 'on_demand'
  const ms = waitedFor ? LOOK_MS : LONG_LOOK_MS
  const found: Found[] = await within(
    ms,
    lookOf(check, context),
    () => new Error(`There was no answer within ${ms / 1000} seconds.`),
  ).catch((error: unknown) => {
    deps.log.warn('check_not_done', { check: check.id, problem: message(error) })
    return [
      {
        ...failed(
          `The check could not run: ${message(error)}`,
          'Look at the log, and at the other findings.',
        ),
        state: check.part ? 'failed' : 'unknown',
      },
    ]
  })
  return found.map((finding) => {
    const urgency = urgencyOf(check, finding.state)
    return { check: check.id, ...(urgency && { urgency }), ...finding }
  })
}

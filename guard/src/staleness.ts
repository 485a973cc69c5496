import { within } from './within.ts'

/** The staleness policy: what a guard does with valid tokens while it has not heard from the broker for too long. */

export interface Staleness {
  /** So long a silence is not a reason to worry: heartbeats come every 15 s. */
  afterSeconds: number
  /** What then: `introspect` asks the broker about each token; `acceptSeconds` goes on for at most so long, then refuses. */
  policy: 'refuse' | 'introspect' | { acceptSeconds: number }
}

export const DEFAULT_STALENESS: Staleness = { afterSeconds: 35, policy: 'refuse' }

/** Whether the broker has been silent for too long to know what is revoked. */
export const isStale = ({ afterSeconds }: Staleness, silentForMs: number): boolean => silentForMs > afterSeconds * 1000

/** For how long the broker may be silent before nothing can be accepted without asking it. */
export const mostSilenceMs = ({ afterSeconds, policy }: Staleness): number =>
  (afterSeconds + (typeof policy === 'object' ? policy.acceptSeconds : 0)) * 1000

/** @param silentForMs a silence that is stale */
export function whenStale(staleness: Staleness, silentForMs: number): 'accept' | 'refuse' | 'introspect' {
  if (typeof staleness.policy !== 'object') return staleness.policy
  return silentForMs <= mostSilenceMs(staleness) ? 'accept' : 'refuse'
}

export function stalenessProblems({ afterSeconds, policy }: Staleness): string[] {
  const problems: string[] = []
  if (!within(afterSeconds, 1, 3600)) problems.push('staleness.afterSeconds: 1 to 3600; heartbeats come every 15 s, so 35 is sensible.')
  if (typeof policy === 'object' ? !within(policy.acceptSeconds, 0, 86_400) : policy !== 'refuse' && policy !== 'introspect')
    problems.push("staleness.policy: 'refuse', 'introspect' or { acceptSeconds: 120 }.")
  return problems
}

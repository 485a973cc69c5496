import { within } from './within.ts'

/** The staleness policy: what a guard does with valid tokens while it has not heard from the broker for too long. */

export interface Staleness {
  /** So long a silence is not a reason to worry: heartbeats come every 15 s. */
  afterSeconds: number
  /** What then: `refuse` rejects every token, `introspect` asks the broker about each. */
  policy: 'refuse' | 'introspect'
}

export const DEFAULT_STALENESS: Staleness = { afterSeconds: 35, policy: 'refuse' }

/** Whether the broker has been silent for too long to know what is revoked. */
export const isStale = ({ afterSeconds }: Staleness, silentForMs: number): boolean => silentForMs > afterSeconds * 1000

export function stalenessProblems({ afterSeconds, policy }: Staleness): string[] {
  const problems: string[] = []
  if (!within(afterSeconds, 1, 3600)) problems.push('staleness.afterSeconds: 1 to 3600; heartbeats come every 15 s, so 35 is sensible.')
  if (policy !== 'refuse' && policy !== 'introspect') problems.push("staleness.policy: 'refuse' or 'introspect'.")
  return problems
}

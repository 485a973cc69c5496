/**
 * Whether the results of a tenant's probes are credible as a whole. If more than 5 % of its users would be signed out within ten minutes, a policy
 * probably blocks the broker's own address. An answer that a user was revoked or disabled always counts; it is counted apart.
 */

const WINDOW_SECONDS = 600
const SLICE_SECONDS = 30
const SHARE = 0.05
const FEWEST_USERS = 5

/** `revoked` (50173) and `disabled` (50057) are Microsoft's answers about the user; `ending` is everything else that would end a session. */
export type ProbeVerdict = 'good' | 'ending' | 'revoked' | 'disabled'

interface Slice {
  at: number
  probes: number
  users: Record<Exclude<ProbeVerdict, 'good'>, Set<string>>
}

export interface ProbeAlarm {
  /** @returns true where this one makes it too many */
  count(tid: string, sub: string, verdict: ProbeVerdict, now: number): boolean
  /** An operator has looked: counting starts from zero. */
  reset(tid: string): void
}

export function createProbeAlarm(): ProbeAlarm {
  const tenants = new Map<string, Slice[]>()
  const sliceOf = (tid: string, now: number): Slice[] => {
    const kept = (tenants.get(tid) ?? []).filter((slice) => slice.at > now - WINDOW_SECONDS)
    const at = now - (now % SLICE_SECONDS)
    if (kept.at(-1)?.at !== at) kept.push({ at, probes: 0, users: { ending: new Set(), revoked: new Set(), disabled: new Set() } })
    tenants.set(tid, kept)
    return kept
  }
  return {
    count(tid, sub, verdict, now) {
      const slices = sliceOf(tid, now)
      const current = slices.at(-1)
      if (current === undefined) return false
      current.probes++
      if (verdict === 'good') return false
      current.users[verdict].add(sub)
      const probes = slices.reduce((sum, slice) => sum + slice.probes, 0)
      const users = new Set(slices.flatMap((slice) => [...slice.users[verdict]])).size
      return users >= FEWEST_USERS && users > probes * SHARE
    },
    reset: (tid) => void tenants.delete(tid),
  }
}

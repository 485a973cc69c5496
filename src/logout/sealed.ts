import type { Sealer } from '../keys/interface.ts'
import type { Checked, Done, LogoutRequest } from './types.ts'

/** What this module lets travel through the browser: sealed for one place each, and good for a while. Nothing of it is kept by us. */
export interface Travels {
  /** A request that came by POST, on its way to the page: the POST of another site carries no cookie of ours. */
  ask: Checked
  /** A request with the session it was shown for, in the page's form. */
  choice: { request: LogoutRequest; sid: string }
  /** What happens after Microsoft's own sign-out, in a cookie. */
  after: { request: LogoutRequest; done: Done }
  /** What the signed-out page says, in its address. */
  done: Done
}

const SECONDS: Record<keyof Travels, number> = { ask: 600, choice: 3600, after: 1800, done: 86_400 }

export function seal<K extends keyof Travels>(sealer: Sealer, place: K, value: Travels[K], now: number): string {
  return sealer.seal(`logout/${place}`, JSON.stringify({ until: now + SECONDS[place], value }))
}

/** Undefined where it is not ours, was sealed for another place, or is too old. */
export function open<K extends keyof Travels>(sealer: Sealer, place: K, sealed: string | undefined, now: number): Travels[K] | undefined {
  const plain = sealed === undefined ? undefined : sealer.open(`logout/${place}`, sealed)
  if (plain === undefined) return undefined
  const { until, value } = JSON.parse(plain.toString('utf8')) as { until: number; value: Travels[K] }
  return until > now ? value : undefined
}

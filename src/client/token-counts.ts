/**
 * How many token requests of each client this broker has answered in the last day, by the hour. Kept in memory, so that no request costs a
 * write; after a restart it counts from zero. Only registered clients are counted, after they have authenticated: their number bounds it.
 */

/** `issued`: by a code, by client credentials or by token exchange. `refreshed`: by a refresh token. `rejected`: with an error of OAuth. */
export type TokenOutcome = 'issued' | 'refreshed' | 'rejected'

export interface TokenHour extends Record<TokenOutcome, number> {
  /** When it began, in epoch seconds. */
  at: number
}

const [HOUR, HOURS] = [3600, 24]

export class TokenCounts {
  /** When it began to count, in epoch seconds. */
  readonly since: number
  /** Of each client, at most one entry an hour, the newest last. */
  readonly #hours = new Map<string, TokenHour[]>()

  constructor(now: number) {
    this.since = now
  }

  count(clientId: string, outcome: TokenOutcome, now: number): void {
    const at = now - (now % HOUR)
    const hours = this.#hours.get(clientId) ?? []
    if (hours.at(-1)?.at !== at) this.#hours.set(clientId, [...kept(hours, now), { at, issued: 0, refreshed: 0, rejected: 0 }])
    const hour = this.#hours.get(clientId)?.at(-1)
    if (hour !== undefined) hour[outcome] += 1
  }

  /** The hours with a request, the newest first. */
  of(clientId: string, now: number): TokenHour[] {
    return kept(this.#hours.get(clientId) ?? [], now).toReversed()
  }
}

const kept = (hours: readonly TokenHour[], now: number): TokenHour[] => hours.filter(({ at }) => at > now - HOURS * HOUR).slice(-HOURS)

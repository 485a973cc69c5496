import type { TokenHour, TokenOutcome } from '../../db/types.ts'

/**
 * How many token requests of each client this broker has answered and not yet added to the counts of all brokers, by the hour. A request costs
 * no write: a worker adds them once a minute. Only registered clients are counted, after they have authenticated: their number bounds it.
 */

const [HOUR, HOURS] = [3600, 24]
const OUTCOMES = ['issued', 'refreshed', 'rejected'] as const

/** The hours of the last day are those that began after it. */
export const dayBefore = (now: number): number => now - HOURS * HOUR

type Hours = Map<string, TokenHour>

function hourOf(hours: Hours, clientId: string, at: number): TokenHour {
  const key = `${at} ${clientId}`
  const hour = hours.get(key) ?? { clientId, at, issued: 0, refreshed: 0, rejected: 0 }
  hours.set(key, hour)
  return hour
}

function addTo(hours: Hours, more: readonly TokenHour[]): void {
  for (const one of more) {
    const hour = hourOf(hours, one.clientId, one.at)
    for (const outcome of OUTCOMES) hour[outcome] += one[outcome]
  }
}

export class TokenCounts {
  #hours: Hours = new Map()

  count(clientId: string, outcome: TokenOutcome, now: number): void {
    hourOf(this.#hours, clientId, now - (now % HOUR))[outcome] += 1
  }

  of(clientId: string): TokenHour[] {
    return [...this.#hours.values()].filter((one) => one.clientId === clientId)
  }

  /** All of them: they are no longer counted here. */
  take(): TokenHour[] {
    const taken = [...this.#hours.values()]
    this.#hours = new Map()
    return taken
  }

  /** What could not be added to the store, without what is a day old: so its number is bounded however long the store is down. */
  putBack(hours: readonly TokenHour[], now: number): void {
    addTo(
      this.#hours,
      hours.filter(({ at }) => at > dayBefore(now)),
    )
  }
}

/** One entry an hour, the newest first. @param hours of one client, in which an hour may be there more than once */
export function summed(hours: readonly TokenHour[]): TokenHour[] {
  const all: Hours = new Map()
  addTo(all, hours)
  return [...all.values()].toSorted((a, b) => b.at - a.at)
}

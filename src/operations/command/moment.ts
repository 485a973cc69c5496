import { InvalidArgumentError } from 'commander'
import { systemClock } from '../../runtime/clock.ts'
import { SAYS } from './texts/answers.ts'

/**
 * Parses times that an operator enters. A time without an offset is rejected, because its meaning
 * would depend on the machine.
 */

const WITH_OFFSET = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)$/
const FROM_NOW = /^\+(\d{1,4})(m|h|d)$/
const SECONDS = { m: 60, h: 3600, d: 86_400 }

/** Parses a time of a filter; a day (2026-12-04) is its start in UTC. @returns epoch seconds */
export const readPast = (value: string): number =>
  readMoment(/^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00Z` : value)

/** Parses a time with its offset, or a span from now. @returns epoch seconds */
export function readMoment(value: string, now = systemClock.now()): number {
  const [, count, unit] = FROM_NOW.exec(value) ?? []
  if (count !== undefined) return now + Number(count) * SECONDS[unit as keyof typeof SECONDS]
  const at = WITH_OFFSET.test(value) ? Date.parse(value) : NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError(SAYS.moment)
  return Math.floor(at / 1000)
}

/** Texts of times and durations. Each time is UTC, so that operators can compare it with logs. */

const DAY = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  timeZone: 'UTC',
})

/** Returns `24 Nov 2026` for epoch milliseconds. */
export const day = (atMs: number): string => DAY.format(new Date(atMs))
/** Returns `09:00:12 UTC`. A no-break space keeps it on one line. */
const timeOfDay = (atMs: number): string => `${new Date(atMs).toISOString().slice(11, 19)}\u00a0UTC`
/** Returns `24 Nov 2026 09:00:12 UTC`, for texts that are read later than they are written. */
export const moment = (atMs: number): string => `${day(atMs)} ${timeOfDay(atMs)}`
/** Returns `09:00:12 UTC` for a time of today, else `24 Nov 2026 09:00:12 UTC`. */
export const when = (atMs: number, nowMs: number): string =>
  day(atMs) === day(nowMs) ? timeOfDay(atMs) : moment(atMs)

/** Returns a duration such as `35 ms`, `1.2 s`, `14 min`, `3 h` or `3 days`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`
  return ms < 48 * 3_600_000
    ? `${Math.round(ms / 3_600_000)} h`
    : `${Math.round(ms / 86_400_000)} days`
}

/** Returns `Since 09:00:12 UTC, for 4 min.` */
export const since = (atMs: number, nowMs: number): string =>
  `Since ${when(atMs, nowMs)}, ${nowMs - atMs < 1000 ? 'just now' : `for ${span(nowMs - atMs)}`}.`

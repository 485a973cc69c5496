import type { Texts } from './texts.ts'

/**
 * Times on users' pages: recent ones relative to now, others in the reader's time zone, which a
 * script applies; without scripts they are in UTC.
 */

const MINUTE = 60
const HOUR = 3600
const DAY = 86_400

/**
 * Returns a time relative to now.
 * @param at epoch seconds
 */
export function ago(at: number, now: number, t: Texts): string {
  const seconds = Math.max(0, now - at)
  if (seconds < 2 * MINUTE) return t.shared.justNow
  const relative = new Intl.RelativeTimeFormat(t.locale)
  if (seconds < 2 * HOUR) return relative.format(-Math.floor(seconds / MINUTE), 'minute')
  return seconds < 2 * DAY
    ? relative.format(-Math.floor(seconds / HOUR), 'hour')
    : relative.format(-Math.floor(seconds / DAY), 'day')
}

/** Returns a time such as `Tuesday 24 November, 09:00 UTC`. */
export function moment(at: number, t: Texts): string {
  const date = new Date(at * 1000)
  const day = new Intl.DateTimeFormat(t.locale, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    timeZone: 'UTC',
  })
    .format(date)
    .replace(',', '')
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`
}

/** A time that a script shows in the reader's time zone. */
export const Moment = ({ at, t }: { at: number; t: Texts }) => (
  <time datetime={new Date(at * 1000).toISOString()} data-locale={t.locale}>
    {moment(at, t)}
  </time>
)

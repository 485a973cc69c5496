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

/** Returns a day such as `Tuesday 24 November`, in UTC. */
export const day = (at: number, t: Texts): string =>
  new Intl.DateTimeFormat(t.locale, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    timeZone: 'UTC',
  })
    .format(new Date(at * 1000))
    .replace(',', '')

const iso = (at: number): string => new Date(at * 1000).toISOString()

/** Returns a time such as `Tuesday 24 November, 09:00 UTC`. */
export const moment = (at: number, t: Texts): string =>
  `${day(at, t)}, ${iso(at).slice(11, 16)} UTC`

/** The time of day of a line beneath its day. A script shows both in the reader's time zone. */
export const Clock = ({ at, t }: { at: number; t: Texts }) => (
  <time datetime={iso(at)} data-clock={t.locale}>
    {iso(at).slice(11, 16)} UTC
  </time>
)

/** Returns the name of a device, "Firefox on Windows", in the reader's language. */
export function deviceIn(device: string, t: Texts): string {
  const [browser = '', system] = device.split(' on ')
  return system === undefined ? device : t.shared.deviceOn({ browser, system })
}

/** A time that a script shows in the reader's time zone. */
export const Moment = ({ at, t }: { at: number; t: Texts }) => (
  <time datetime={iso(at)} data-locale={t.locale} data-today={t.shared.today}>
    {moment(at, t)}
  </time>
)

import type { Texts } from './texts.ts'

/** Times on users' pages. The broker does not know the reader's time zone: near times are shown by distance, far ones in UTC. */

const MINUTE = 60
const HOUR = 3600

/** @param at epoch seconds */
export function ago(at: number, now: number, t: Texts): string {
  const seconds = Math.max(0, now - at)
  if (seconds < 2 * MINUTE) return t.shared.justNow
  const relative = new Intl.RelativeTimeFormat(t.locale)
  return seconds < 2 * HOUR ? relative.format(-Math.floor(seconds / MINUTE), 'minute') : relative.format(-Math.floor(seconds / HOUR), 'hour')
}

/** `Tuesday 24 November, 09:00 UTC` */
export function moment(at: number, t: Texts): string {
  const date = new Date(at * 1000)
  const day = new Intl.DateTimeFormat(t.locale, { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' }).format(date).replace(',', '')
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`
}

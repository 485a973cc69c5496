/** Times as people read them. The broker does not know the reader's time zone: near times are told by distance, far ones in UTC. */

const MINUTE = 60
const HOUR = 3600

/** @param at epoch seconds */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, now - at)
  if (seconds < 2 * MINUTE) return 'just now'
  if (seconds < 2 * HOUR) return `${Math.floor(seconds / MINUTE)} minutes ago`
  return `${Math.floor(seconds / HOUR)} hours ago`
}

/** `Tuesday 24 November, 09:00 UTC` */
export function moment(at: number): string {
  const date = new Date(at * 1000)
  const day = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', timeZone: 'UTC' }).format(date).replace(',', '')
  return `${day}, ${date.toISOString().slice(11, 16)} UTC`
}

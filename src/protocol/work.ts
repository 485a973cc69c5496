/** The kinds of background work, as BROKER_WORK, `cmb work --only` and `cmb status` name them. */
export const WORK = {
  deliveries:
    'writes the deliveries of wide revocations, sends logout tokens and other messages, and retries',
  probe: 'asks Microsoft about each live session',
  microsoft:
    'asks Microsoft Graph, renews its subscriptions, and keeps streams at transmitters of security events',
  expiry: 'ends sessions whose time has passed, applies limits that were changed, and lifts locks',
  housekeeping: 'deletes what retention ends, and erases users',
  keys: 'rotates signing keys, and signs the heads of the logs',
} as const
export type Work = keyof typeof WORK

/** `worker`: a process without a public listener that only does background work. */
export type ProcessKind = 'broker' | 'worker'

export const WORK_NAMES = Object.keys(WORK) as Work[]

/**
 * Parses `all`, `none`, or a comma-separated list of names.
 * @returns the work, or the unknown names
 */
export function parseWork(text: string): { work: Work[] } | { unknown: string[] } {
  if (text === 'all') return { work: WORK_NAMES }
  if (text === 'none') return { work: [] }
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.filter((name) => !(WORK_NAMES as string[]).includes(name))
  return unknown.length > 0
    ? { unknown }
    : { work: WORK_NAMES.filter((name) => names.includes(name)) }
}

/** Returns the text that `parseWork` parses to this work. */
export function workText(work: readonly Work[]): string {
  if (work.length === WORK_NAMES.length) return 'all'
  return work.length === 0 ? 'none' : work.join(',')
}

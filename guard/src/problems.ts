import type { Clock } from './clock.ts'

/** The latest problem of a guard, for `status()`. */
export interface Problem {
  message: string
  /** Epoch milliseconds. */
  atMs: number
}

/** The time for which the same problem is not written to the console again. */
const QUIET_MS = 60_000

/** Returns an error and its causes in one line. */
export function describe(error: unknown): string {
  const parts: string[] = []
  for (
    let each: unknown = error;
    each !== undefined && parts.length < 4;
    each = each instanceof Error ? each.cause : undefined
  )
    parts.push(
      each instanceof Error
        ? each.message.replace(/^.*wrong version number.*$/s, 'it answers http, not https')
        : 'unknown cause',
    )
  return parts.filter((part, at) => part !== '' && parts.indexOf(part) === at).join(': ')
}

/** Returns the default of the `problem` hook: it writes to the console, without repetition. */
export function consoleProblems(clock: Clock): (error: Error) => void {
  const said = new Map<string, number>()
  return (error) => {
    const now = clock.monotonicMs()
    // Only the outermost message has what differs from one attempt to the next (the delay).
    const key = describe(error.cause ?? error)
    const last = said.get(key)
    if (last !== undefined && now - last < QUIET_MS) return
    if (said.size > 100) said.clear()
    said.set(key, now)
    console.warn(`@case-manager/guard: ${describe(error)}`)
  }
}

/**
 * Returns a received value for an error text: on one line, cut at 200 characters, and within the
 * characters of `error_description` (RFC 6749 §5.2). Double quotes are left out, because the text
 * may end up in a quoted string of `WWW-Authenticate`.
 */
export function quoted(value: unknown): string {
  const text =
    typeof value === 'string'
      ? value
      : Array.isArray(value)
        ? value.join(', ')
        : JSON.stringify(value ?? null)
  return `'${text.slice(0, 200).replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '?')}'`
}

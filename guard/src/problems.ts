import type { Clock } from './clock.ts'

/** The latest problem of a guard, for `status()`. */
export interface Problem {
  message: string
  /** Epoch milliseconds. */
  atMs: number
}

/** The same problem is not written to the console again for so long. */
const QUIET_MS = 60_000

/** An error and its causes in one line. */
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

/** What a guard without a `problem` hook does: the console, without repetition. */
export function consoleProblems(clock: Clock): (error: Error) => void {
  const said = new Map<string, number>()
  return (error) => {
    const now = clock.monotonicMs()
    // What differs from one attempt to the next (the delay) is in the outermost message alone.
    const key = describe(error.cause ?? error)
    const last = said.get(key)
    if (last !== undefined && now - last < QUIET_MS) return
    if (said.size > 100) said.clear()
    said.set(key, now)
    console.warn(`@case-manager/guard: ${describe(error)}`)
  }
}

/**
 * A received value as an error text may hold it: on one line, not long, and within the characters
 * of `error_description` (RFC 6749 §5.2). Double quotes are left out, because the text may end up
 * in a quoted string of `WWW-Authenticate`.
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

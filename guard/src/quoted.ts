/**
 * A received value as an error text may hold it: on one line, not long, and within the characters of `error_description` (RFC 6749 §5.2).
 * Double quotes are left out, because the text may end up in a quoted string of `WWW-Authenticate`.
 */
export function quoted(value: unknown): string {
  const text = typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : JSON.stringify(value ?? null)
  return `'${text.slice(0, 200).replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '?')}'`
}

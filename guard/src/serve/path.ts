/** The path of a request as rules see it: decoded, or refused where two programs could read it differently. */

type ReadPath = { ok: true; path: string } | { ok: false; problem: string }

/** What a URI's path may hold raw (RFC 3986 §3.3, and the three that browsers leave as they are), without `;`. */
const RAW = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/%[\]|]*$/

/** Nothing to decode and nothing to doubt, as most paths are. */
const PLAIN = /^(?:\/[A-Za-z0-9\-_~]+(?:\.[A-Za-z0-9\-_~]+)*)+\/?$/

const refuse = (problem: string): ReadPath => ({ ok: false, problem })

/**
 * The query is not part of it. What a backend may read as another path is refused: encoded slashes, backslashes, dots that climb, parameters
 * (`;`), empty segments, encodings of encodings, control characters.
 */
export function readPath(target: string): ReadPath {
  const query = target.indexOf('?')
  const raw = query < 0 ? target : target.slice(0, query)
  if (PLAIN.test(raw)) return { ok: true, path: raw }
  if (!raw.startsWith('/')) return refuse('it does not begin with a slash')
  if (!RAW.test(raw)) return refuse('it holds a character that belongs encoded, or a semicolon')
  const segments = raw.slice(1).split('/')
  const decoded: string[] = []
  for (const [at, segment] of segments.entries()) {
    if (segment === '' && at < segments.length - 1) return refuse('it has an empty segment (//)')
    const text = decode(segment)
    if (text === undefined) return refuse('its percent-encoding is not UTF-8')
    if (/[/\\%;\u0000-\u001F\u007F]/.test(text)) return refuse('it encodes a slash, backslash, percent sign, semicolon or control character')
    if (text === '.' || text === '..') return refuse('it has a segment of dots')
    decoded.push(text)
  }
  return { ok: true, path: `/${decoded.join('/')}` }
}

function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** Some backends ignore case and a slash at the end: a rule for a path covers what they take for the same. */
export function fold(path: string): string {
  const lower = path.toLowerCase()
  return lower.length > 1 && lower.endsWith('/') ? lower.slice(0, -1) : lower
}

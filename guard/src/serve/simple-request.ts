import type { CheckRequest } from './answer.ts'

/**
 * Reads a request of the simple form: what proxies send when they ask, and nothing that two programs could read differently. Every other request is
 * node:http's (decision 0052): a request in parts, a second one behind it, a body, `Connection: close`, an upgrade, any character out of place.
 */

const MOST_BYTES = 16 * 1024
const MOST_HEADERS = 100
/** RFC 9112 §3.2.1, without what RFC 3986 §3.3 does not allow in a path. */
const FIRST_LINE = /(GET|HEAD) (\/[A-Za-z0-9\-._~!$&'()*+,;=:@/%?]*) HTTP\/1\.1\r\n/y
/** RFC 9110 §5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** What is neither visible, a space or a tab, nor the end of a line. */
const ODD = /[^\t -~\r\n]|\r(?!\n)/
const [TAB, LF, CR, SPACE] = [9, 10, 13, 32]

/** Names that decide where a message ends, or what becomes of its connection. */
type Kind = 'host' | 'length' | 'connection' | 'other' | 'not_simple'
const KINDS: Readonly<Record<string, Kind>> = {
  host: 'host',
  'content-length': 'length',
  connection: 'connection',
  'proxy-connection': 'not_simple',
  'transfer-encoding': 'not_simple',
  trailer: 'not_simple',
  upgrade: 'not_simple',
  expect: 'not_simple',
}
/** Names that clients invent do not fill the memory. */
const MOST_KNOWN = 1000
const known = new Map<string, Kind>()

function kindOf(name: string): Kind {
  const found = known.get(name)
  if (found !== undefined) return found
  const kind = TOKEN.test(name) ? (Object.hasOwn(KINDS, name.toLowerCase()) ? KINDS[name.toLowerCase()] : 'other') : 'not_simple'
  if (known.size < MOST_KNOWN) known.set(name, kind ?? 'other')
  return kind ?? 'other'
}

/** @param chunk what was read at once @returns undefined unless it is exactly one whole request of the simple form */
export function readSimple(chunk: Buffer): Omit<CheckRequest, 'remoteAddress'> | undefined {
  if (chunk.length > MOST_BYTES || chunk[chunk.length - 1] !== LF) return undefined
  const text = chunk.toString('latin1')
  FIRST_LINE.lastIndex = 0
  const first = FIRST_LINE.exec(text)
  if (first === null || ODD.test(text)) return undefined
  const rawHeaders = readHeaders(text, FIRST_LINE.lastIndex)
  return rawHeaders === undefined ? undefined : { method: first[1] ?? '', url: first[2] ?? '', rawHeaders }
}

/** @returns undefined unless the empty line after the headers is the end of the text */
function readHeaders(text: string, from: number): string[] | undefined {
  const headers: string[] = []
  let [hosts, lengths, at] = [0, 0, from]
  for (;;) {
    const end = text.indexOf('\n', at) - 1
    if (end < at || text.charCodeAt(end) !== CR) return undefined
    if (end === at) return hosts === 1 && at + 2 === text.length ? headers : undefined
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > end || headers.length === MOST_HEADERS * 2) return undefined
    const name = text.slice(at, colon)
    const value = trimmed(text, colon + 1, end)
    const kind = kindOf(name)
    if (kind !== 'other') {
      if (kind === 'host') hosts++
      else if (kind === 'length' ? value !== '0' || ++lengths > 1 : kind !== 'connection' || value.toLowerCase() !== 'keep-alive') return undefined
    }
    headers.push(name, value)
    at = end + 2
  }
}

/** RFC 9110 §5.5: white space around a value is not part of it. */
function trimmed(text: string, start: number, stop: number): string {
  let [from, to] = [start, stop]
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

const isBlank = (code: number): boolean => code === SPACE || code === TAB

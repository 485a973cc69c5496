/** The vocabulary of revocation as the feed and logout tokens carry it. */

/** What a revocation covers; `docs/feed.md`, "An entry". */
export type Selector =
  | { kind: 'session'; sid: string }
  | { kind: 'grant'; sid: string; client_id: string }
  | { kind: 'subject'; sub: string }
  | { kind: 'client'; client_id: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'everything' }

/**
 * A revocation S covers a token or session iff its selector matches and their `rev` is lower than
 * `seq`. No clock decides it.
 */
export interface Entry {
  seq: number
  selector: Selector
  /** Epoch seconds: when it may be forgotten. No token that it covers lives longer. */
  exp: number
}

/**
 * What a selector can match: an access token's claims, or what an instance remembers of a session
 * of its own.
 */
export interface Bearer {
  sid?: string | undefined
  sub?: string | undefined
  client_id?: string | undefined
  tid?: string | undefined
  rev: number
}

/**
 * Whether a revocation covers a bearer: for an instance to find which of its own sessions have
 * ended.
 */
export function covers(revocation: { seq: number; selector: Selector }, bearer: Bearer): boolean {
  return bearer.rev < revocation.seq && keysOf(bearer).includes(keyOf(revocation.selector))
}

/** The key under which a selector is kept, so that what it covers is found without asking each. */
export function keyOf(selector: Selector): string {
  switch (selector.kind) {
    case 'session':
      return `s:${selector.sid}`
    case 'grant':
      return `g:${selector.sid}\n${selector.client_id}`
    case 'subject':
      return `u:${selector.sub}`
    case 'client':
      return `c:${selector.client_id}`
    case 'tenant':
      return `t:${selector.tid}`
    case 'everything':
      return '*'
  }
}

/** The keys of every selector that matches a bearer. */
export function keysOf({ sid, sub, client_id, tid }: Omit<Bearer, 'rev'>): string[] {
  const keys = ['*']
  if (sid !== undefined) keys.push(`s:${sid}`)
  if (sid !== undefined && client_id !== undefined) keys.push(`g:${sid}\n${client_id}`)
  if (sub !== undefined) keys.push(`u:${sub}`)
  if (client_id !== undefined) keys.push(`c:${client_id}`)
  if (tid !== undefined) keys.push(`t:${tid}`)
  return keys
}

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
export const isSeq = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

/**
 * An entry as received. A kind that this version does not know becomes `everything`, because what
 * it covers must not be honored. Undefined where it is not an entry at all.
 */
export function readEntry(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { seq, selector, exp } = value as Record<string, unknown>
  if (!isSeq(seq) || typeof exp !== 'number' || !Number.isFinite(exp)) return undefined
  if (typeof selector !== 'object' || selector === null) return undefined
  return { seq, selector: readSelector(selector as Record<string, unknown>), exp }
}

function readSelector({ kind, sid, sub, client_id, tid }: Record<string, unknown>): Selector {
  if (kind === 'session' && isText(sid)) return { kind, sid }
  if (kind === 'grant' && isText(sid) && isText(client_id)) return { kind, sid, client_id }
  if (kind === 'subject' && isText(sub)) return { kind, sub }
  if (kind === 'client' && isText(client_id)) return { kind, client_id }
  if (kind === 'tenant' && isText(tid)) return { kind, tid }
  return { kind: 'everything' }
}

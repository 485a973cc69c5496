/** The vocabulary of revocation in the feed and in logout tokens. */

/** The set of tokens and sessions that a revocation covers (`docs/feed.md`, "An entry"). */
export type Selector =
  | { kind: 'session'; sid: string }
  | { kind: 'grant'; sid: string; client_id: string }
  | { kind: 'subject'; sub: string }
  | { kind: 'client'; client_id: string }
  | { kind: 'tenant'; tid: string }
  | { kind: 'everything' }

/**
 * A revocation. It covers a token or session if and only if the selector matches and `rev` is lower
 * than `seq`. No clock decides.
 */
export interface Entry {
  seq: number
  selector: Selector
  /** Epoch seconds at which the entry may be forgotten. No token that it covers lives longer. */
  exp: number
  /**
   * Epoch seconds until which the entry counts for an instance's own sessions, whose latest end it
   * is. Absent where the entry ends none.
   */
  sessionExp?: number | undefined
  /** Why, for the user to read. Base no decision on it. */
  reasonClass?: ReasonClass | undefined
}

/** The reasons that the broker gives to instances. A class that is not listed here is left out. */
export const REASON_CLASSES = [
  'signed_out',
  'signed_out_remotely',
  'signed_out_everywhere',
  'replaced',
  'session_limit',
  'administrator',
  'locked',
  'account',
  'expired',
  'ended_elsewhere',
] as const
export type ReasonClass = (typeof REASON_CLASSES)[number]
export const readReason = (given: unknown): ReasonClass | undefined =>
  REASON_CLASSES.find((reasonClass) => reasonClass === given)

/**
 * The object of a selector: the claims of an access token, or what an instance has stored of one of
 * its sessions.
 */
export interface Bearer {
  sid?: string | undefined
  sub?: string | undefined
  client_id?: string | undefined
  tid?: string | undefined
  rev: number
}

/**
 * Returns whether a revocation covers a bearer, so that an instance can find which of its own
 * sessions have ended.
 */
export function covers(revocation: { seq: number; selector: Selector }, bearer: Bearer): boolean {
  return bearer.rev < revocation.seq && keysOf(bearer).includes(keyOf(revocation.selector))
}

/**
 * Returns the key under which a selector is stored, so that a lookup finds it without comparing
 * every selector.
 */
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

/** Returns the keys of every selector that matches a bearer. */
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
export const isTime = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value)
export const isSeq = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

/**
 * Reads a received entry. An unknown kind becomes `everything`, because what it covers must not be
 * accepted. Returns undefined if the value is not an entry.
 */
export function readEntry(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { seq, selector, exp, reason_class, session_exp } = value as Record<string, unknown>
  if (!isSeq(seq) || !isTime(exp) || !(session_exp === undefined || isTime(session_exp)))
    return undefined
  if (typeof selector !== 'object' || selector === null) return undefined
  return {
    seq,
    selector: readSelector(selector as Record<string, unknown>),
    exp,
    sessionExp: session_exp,
    reasonClass: readReason(reason_class),
  }
}

function readSelector({ kind, sid, sub, client_id, tid }: Record<string, unknown>): Selector {
  if (kind === 'session' && isText(sid)) return { kind, sid }
  if (kind === 'grant' && isText(sid) && isText(client_id)) return { kind, sid, client_id }
  if (kind === 'subject' && isText(sub)) return { kind, sub }
  if (kind === 'client' && isText(client_id)) return { kind, client_id }
  if (kind === 'tenant' && isText(tid)) return { kind, tid }
  return { kind: 'everything' }
}

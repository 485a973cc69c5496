import { hash } from 'node:crypto'

/**
 * The hash chain of a log (revocations, audit): its canonical form, its hashes and their
 * verification. The functions are pure: they read no row, no clock and no key. Personal fields
 * enter as one salted hash, so that the chain still verifies after the salt and the fields are
 * erased.
 */

export type LogName = 'revocations' | 'audit'
type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Value[]
  | { readonly [name: string]: Value }

/**
 * Returns JSON with sorted member names and no white space, so that a value has exactly one form
 * (RFC 8785, for the values used here).
 */
export function canonical(value: Value): string {
  if (Array.isArray(value)) return `[${value.map((each: Value) => canonical(each)).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null)
  const members = Object.entries(value as Record<string, Value>)
    .filter(([, each]) => each !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${canonical(each)}`).join(',')}}`
}

const sha256 = (text: string): string => hash('sha256', text, 'base64url')

/**
 * Returns the salted hash of personal fields.
 * @param salt random, for this row only; without it the hash reveals nothing about the fields
 */
export const personalHash = (
  salt: string,
  personal: Readonly<Record<string, string | null>>,
): string => sha256(canonical([salt, personal]))

/**
 * A row of the log, or the beginning of a segment of its chain (a new log, a restore, or a log that
 * continues on a promoted server).
 */
export interface Link {
  /** The number of the row. For a beginning, the number after which its rows follow. */
  number: number
  kind: 'row' | 'begin'
  /** The fields that never change, without a row's personal ones. */
  fields: Readonly<Record<string, Value>>
  /** The salted hash of a row's personal fields. */
  personal?: string | undefined
  hash: string
}

/** The previous hash of a log's first beginning. */
export const NOTHING_BEFORE = ''

export const linkHash = (
  log: LogName,
  before: string,
  { number, kind, fields, personal }: Omit<Link, 'hash'>,
): string => sha256(canonical([before, log, kind, number, fields, personal ?? null]))

export interface Anchor {
  number: number
  hash: string
}

/**
 * Verifies that each link follows from the one before it, from `from` to `to`. Rows must be
 * numbered without a gap; only a beginning may skip numbers. Returns the problem, or undefined.
 */
export function chainProblem(
  log: LogName,
  from: Anchor,
  links: readonly Link[],
  to: Anchor,
): string | undefined {
  let at = from
  for (const link of links) {
    const next = link.kind === 'row' ? link.number === at.number + 1 : link.number >= at.number
    if (!next)
      return `After number ${at.number} comes ${link.number}: rows are missing or not in order.`
    if (linkHash(log, at.hash, link) !== link.hash)
      return `Number ${link.number} (${link.kind}) is not what was written: its hash does not follow.`
    at = { number: link.number, hash: link.hash }
  }
  return at.number === to.number && at.hash === to.hash
    ? undefined
    : `The rows end at number ${at.number} and not in the signed head at ${to.number}.`
}

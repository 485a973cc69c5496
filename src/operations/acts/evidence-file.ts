import { hash } from 'node:crypto'
import {
  type Anchor,
  canonical,
  chainProblem,
  type Link,
  type LogName,
  NOTHING_BEFORE,
  personalHash,
} from '../../protocol/evidence-chain.ts'
import { TYP } from '../../protocol/names.ts'

/** Verifies a file of `cmb evidence export` without the broker. */

export const EVIDENCE_FORMAT = 'broker-evidence/1'
export const HEAD_TYP = 'evidence-head+jwt'
export const SIGNATURE_TYP = 'evidence+jwt'

type Line = Readonly<Record<string, unknown>>

/**
 * Verifies a JWS with the public keys. Returns its claims if signature and type are valid.
 * @throws Error if the key was not in use at that time
 */
export type CheckSignature = (jws: unknown, typ: string) => Promise<Line | undefined>

/** Rows of a log, both numbers included. */
export interface Stretch {
  log: LogName
  from: number
  to: number
}

export interface Verified extends Omit<Stretch, 'log'> {
  log: LogName | 'receipt'
  rows: number
  /** Number of rows without personal fields, because their user was erased. */
  withoutPersonal: number
  signedAt: number
}

type Signature = Stretch & { lines: number; sha256: string; iat: number }
type Row = Link & { salt?: string; content?: Record<string, string | null> }

/**
 * Verifies an evidence file: its signature, its stretch of the chain, its personal fields and its
 * receipt.
 * @throws Error that names the changed part
 */
export async function verifyEvidence(
  lines: readonly string[],
  check: CheckSignature,
): Promise<Verified> {
  const records = lines.map((line) => JSON.parse(line) as Line)
  const last = records.pop()
  const signature = await check(last?.jws, SIGNATURE_TYP)
  const signed = canonical({ record: 'signature', jws: last?.jws } as never)
  if (lines.at(-1) !== signed || signature === undefined)
    throw new Error(
      'The last line is not a valid signature of the broker: the file is cut off, changed, or signed by another key.',
    )
  const { log, from, to, iat, ...sum } = signature as Signature & Line
  const text = records.map((_, i) => `${lines[i]}\n`).join('')
  if (sum.lines !== records.length || sum.sha256 !== hash('sha256', text, 'base64url'))
    throw new Error(
      'A line was changed, removed, added or moved: the signature of the export does not cover this file.',
    )
  const named = (name: string): Line[] => records.filter(({ record }) => record === name)
  for (const { jws } of named('receipt'))
    if ((await check(jws, TYP.receipt))?.seq !== from)
      throw new Error('The receipt is not signed by the broker, or is of another revocation.')
  const heads = await Promise.all(named('head').map(({ jws }) => check(jws, HEAD_TYP)))
  const end = heads.at(-1)
  if (end === undefined || heads.includes(undefined))
    throw new Error('A head of the chain is not signed by the broker.')
  const links = named('link') as unknown as Row[]
  const start = heads.length > 1 ? heads[0] : { number: 0, hash: NOTHING_BEFORE }
  if (heads.length === 1 && links[0]?.fields.former_hash !== null)
    throw new Error('The chain begins at no signed head.')
  const problem = chainProblem(log, start as unknown as Anchor, links, end as unknown as Anchor)
  if (problem !== undefined) throw new Error(problem)
  const rows = links.filter(({ kind, number }) => kind === 'row' && number >= from && number <= to)
  if (rows.length !== to - from + 1 || rows.length === 0) throw new Error('A row is missing.')
  for (const { number, salt, content = {}, personal } of rows)
    if (salt !== undefined && personalHash(salt, content) !== personal)
      throw new Error(`The personal fields of number ${number} are not what was written.`)
  const withoutPersonal = rows.filter(({ salt }) => salt === undefined).length
  return { log, from, to, rows: rows.length, withoutPersonal, signedAt: iat }
}

/**
 * Verifies a receipt as the admin API answers it.
 * @throws Error if the signature is not the broker's, or does not cover a member
 */
export async function verifyReceipt(
  { jws, ...members }: Line,
  check: CheckSignature,
): Promise<Verified> {
  const { iss: _, iat, ...claims } = (await check(jws, TYP.receipt)) ?? {}
  if (canonical(claims as never) !== canonical(members as never))
    throw new Error(
      'The receipt was changed, or is signed by another key: its signature does not cover its members.',
    )
  const seq = Number(members.seq)
  return { log: 'receipt', from: seq, to: seq, rows: 1, withoutPersonal: 0, signedAt: Number(iat) }
}

const SIGNED: Partial<Record<string, string>> = {
  [HEAD_TYP]: 'A head of the chain',
  [TYP.receipt]: 'The receipt',
}

/**
 * Returns the problem if a signature's time is outside its key's time; otherwise undefined.
 * @param key in the archive and in a file of evidence it has times, in a copy of /jwks none
 */
export function keyTimeProblem(
  { kid, created_at: createdAt, retire_at: retiredAt }: Line,
  typ: string,
  signedAt: unknown,
): string | undefined {
  const what = SIGNED[typ] ?? 'The export'
  if (typeof signedAt !== 'number') return `${what} does not say when it was signed.`
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString()
  if (typeof createdAt === 'number' && signedAt < createdAt)
    return `${what} says that key ${String(kid)} signed it at ${at(signedAt)}, before the key was made (${at(createdAt)}).`
  if (typeof retiredAt === 'number' && signedAt > retiredAt)
    return `${what} was signed at ${at(signedAt)} by key ${String(kid)}, which retired at ${at(retiredAt)}. A signature by a retired key proves nothing.`
  return undefined
}

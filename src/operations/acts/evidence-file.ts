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
/** The names of the last line's record, and the types of its signature. */
export const OF_STRETCH = ['signature', 'evidence+jwt'] as const
export const OF_USER = ['user', 'user-evidence+jwt'] as const

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

interface Signed {
  rows: number
  /** Number of rows without personal fields, because their user was erased. */
  withoutPersonal: number
  signedAt: number
}
interface VerifiedStretch extends Signed, Omit<Stretch, 'log'> {
  log: LogName | 'receipt'
  /** The claims of a revocation's receipt, where it was still kept. */
  receipt?: Line | undefined
}
/** The evidence of a user in a period, in epoch seconds. */
interface VerifiedUser extends Signed {
  log: 'user'
  sub: string
  since?: number | undefined
  until?: number | undefined
  revocations: { seq: number; receipt?: Line | undefined }[]
}
export type Verified = VerifiedStretch | VerifiedUser

type Sum = { lines: number; sha256: string; iat: number }
type Signature = Stretch & Sum
type UserSignature = Sum & Pick<VerifiedUser, 'sub' | 'since' | 'until'> & { seqs: number[] }
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
  return records.at(-1)?.record === 'user'
    ? verifyUser(lines, records, check)
    : verifyStretch(lines, records, check)
}

/** Returns the claims of the last line. @throws Error if it does not sign the others */
async function signatureOf(
  lines: readonly string[],
  records: readonly Line[],
  check: CheckSignature,
  [record, typ]: readonly [record: string, typ: string],
): Promise<Line> {
  const signature = await check(records.at(-1)?.jws, typ)
  const signed = canonical({ record, jws: records.at(-1)?.jws } as never)
  if (lines.at(-1) !== signed || signature === undefined)
    throw new Error(
      'The last line is not a valid signature of the broker: the file is cut off, changed, or signed by another key.',
    )
  const others = lines.slice(0, -1)
  const text = others.map((line) => `${line}\n`).join('')
  if (signature.lines !== others.length || signature.sha256 !== hash('sha256', text, 'base64url'))
    throw new Error(
      'A line was changed, removed, added or moved: the signature of the export does not cover this file.',
    )
  return signature
}

/** Verifies the evidence of a user: the file as a whole, and the evidence of each revocation. */
async function verifyUser(
  lines: readonly string[],
  records: readonly Line[],
  check: CheckSignature,
): Promise<VerifiedUser> {
  const signature = (await signatureOf(lines, records, check, OF_USER)) as UserSignature & Line
  const { sub, since, until, seqs, iat } = signature
  const found: VerifiedStretch[] = []
  for (let from = 0; from < records.length - 1;) {
    const to = records.findIndex(({ record }, i) => i >= from && record === 'signature') + 1
    if (to === 0) throw new Error('The evidence of a revocation has no signature.')
    found.push(await verifyStretch(lines.slice(from, to), records.slice(from, to), check))
    from = to
  }
  const isNamed = ({ log, from, to }: VerifiedStretch, i: number): boolean =>
    log === 'revocations' && from === seqs[i] && to === from
  if (found.length !== seqs.length || !found.every(isNamed))
    throw new Error('The file does not hold the revocations that its last line names.')
  return {
    log: 'user',
    sub,
    since,
    until,
    rows: found.length,
    withoutPersonal: found.reduce((sum, part) => sum + part.withoutPersonal, 0),
    signedAt: iat,
    revocations: found.map(({ from: seq, receipt }) => ({ seq, receipt })),
  }
}

async function verifyStretch(
  lines: readonly string[],
  all: readonly Line[],
  check: CheckSignature,
): Promise<VerifiedStretch> {
  const signature = (await signatureOf(lines, all, check, OF_STRETCH)) as Signature & Line
  const { log, from, to, iat } = signature
  const records = all.slice(0, -1)
  const named = (name: string): Line[] => records.filter(({ record }) => record === name)
  let receipt: Line | undefined
  for (const { jws } of named('receipt')) {
    const claims = await check(jws, TYP.receipt)
    if (claims?.seq !== from)
      throw new Error('The receipt is not signed by the broker, or is of another revocation.')
    receipt = claims
  }
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
  return { log, from, to, rows: rows.length, withoutPersonal, signedAt: iat, receipt }
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

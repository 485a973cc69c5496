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
import { quotedCell, withoutFormula } from '../../runtime/csv.ts'

/**
 * Reads and verifies a file of `cmb evidence export` without the broker: JSON lines, or a CSV with
 * those lines in a column.
 */

export const EVIDENCE_FORMAT = 'broker-evidence/1'
export const HEAD_TYP = 'evidence-head+jwt'
export const SIGNATURE_TYP = 'evidence+jwt'

type Line = Readonly<Record<string, unknown>>

const CSV_HEAD = 'record,id,at,state,json'

export function evidenceCsv(lines: readonly string[]): string {
  return [CSV_HEAD, ...lines.map((line) => [...columnsOf(line), line].map(quotedCell).join(','))]
    .map((row) => `${row}\r\n`)
    .join('')
}

function columnsOf(line: string): string[] {
  const one = JSON.parse(line) as Line
  const at = one.at_ms ?? one.created_at_ms
  const id = one.id ?? one.delivery ?? one.number ?? one.kid ?? one.seq ?? ''
  const state = one.state ?? one.outcome ?? ''
  return [one.record, id, typeof at === 'number' ? new Date(at).toISOString() : '', state].map(
    (each) => withoutFormula(String(each)),
  )
}

/**
 * Returns the JSON lines of an evidence file.
 * @throws Error if the file is cut off, or its columns and lines differ
 */
export function evidenceLines(text: string): string[] {
  if (!text.startsWith(CSV_HEAD)) return text.split('\n').filter((line) => line !== '')
  const rows = text.split('\r\n').slice(1)
  if (rows.pop() !== '') throw new Error('The file ends in the middle of a row.')
  return rows.map((row, i) => {
    const json = row.slice(row.indexOf('"{') + 1, -1).replaceAll('""', '"')
    if ([...columnsOf(json), json].map(quotedCell).join(',') !== row)
      throw new Error(`Row ${i + 1}: its columns were changed.`)
    return json
  })
}

/**
 * Verifies a file of evidence without the broker: its signature, its stretch of the chain, its
 * personal fields, and when its keys signed.
 */

/**
 * Verifies a JWS with the public keys. Returns its claims if signature and type are valid.
 * @throws Error if the key was not in use at that time
 */
export type CheckSignature = (jws: string, typ: string) => Promise<Line | undefined>

export interface Verified {
  log: LogName | 'receipt'
  /** The first and last row number, both included. For a revocation they are equal. */
  from: number
  to: number
  rows: number
  /** Number of rows without personal fields, because their user was erased. */
  withoutPersonal: number
  signedAt: number
}

/** Verifies an evidence file. @throws Error that names the changed part */
export async function verifyEvidence(
  lines: readonly string[],
  check: CheckSignature,
): Promise<Verified> {
  const records = lines.map((line) => JSON.parse(line) as Line)
  const signature = await check(String(records.at(-1)?.jws), SIGNATURE_TYP)
  if (records.at(-1)?.record !== 'signature' || signature === undefined)
    throw new Error(
      'The last line is not a valid signature of the broker: the file is cut off, changed, or signed by another key.',
    )
  const signed = lines.slice(0, -1)
  const text = signed.map((line) => `${line}\n`).join('')
  if (signature.lines !== signed.length || signature.sha256 !== hash('sha256', text, 'base64url'))
    throw new Error(
      'A line was changed, removed, added or moved: the signature of the export does not cover this file.',
    )
  const log = signature.log === 'audit' ? 'audit' : 'revocations'
  const range =
    log === 'audit'
      ? { from: Number(signature.from), to: Number(signature.to) }
      : { from: Number(signature.seq), to: Number(signature.seq) }
  for (const { jws } of records.filter(({ record }) => record === 'receipt'))
    if ((await check(String(jws), TYP.receipt))?.seq !== signature.seq)
      throw new Error('The receipt is not signed by the broker, or is of another revocation.')
  const links = await verifiedChain(records, { log, ...range }, check)
  return { log, ...range, ...verifiedRows(records, links, range), signedAt: Number(signature.iat) }
}

/**
 * Verifies a receipt as the admin API answers it.
 * @throws Error if the signature is not the broker's, or does not cover a member
 */
export async function verifyReceipt(
  { jws, ...members }: Line,
  check: CheckSignature,
): Promise<Verified> {
  const { iss: _, iat, ...claims } = (await check(String(jws), TYP.receipt)) ?? {}
  if (canonical(claims as never) !== canonical(members as never))
    throw new Error(
      'The receipt was changed, or is signed by another key: its signature does not cover its members.',
    )
  const seq = Number(members.seq)
  return { log: 'receipt', from: seq, to: seq, rows: 1, withoutPersonal: 0, signedAt: Number(iat) }
}

interface About {
  log: LogName
  from: number
  to: number
}

/** Verifies the chain and returns the links of the exported rows, by number. */
async function verifiedChain(
  records: readonly Line[],
  { log, from, to }: About,
  check: CheckSignature,
): Promise<Map<number, Link>> {
  const heads = await Promise.all(
    records
      .filter(({ record }) => record === 'head')
      .map(async ({ jws }) => check(String(jws), HEAD_TYP)),
  )
  const links = records.filter(({ record }) => record === 'link') as unknown as (Link & {
    personal: string | null
  })[]
  const end = heads.at(-1)
  if (end === undefined || heads.includes(undefined))
    throw new Error('A head of the chain is not signed by the broker.')
  const start = heads.length > 1 ? heads[0] : undefined
  if (start === undefined && links[0]?.fields.former_hash !== null)
    throw new Error('The chain begins at no signed head.')
  const stretch = links.map(({ personal, ...link }): Link =>
    personal === null ? link : { ...link, personal },
  )
  const problem = chainProblem(log, anchorOf(start), stretch, anchorOf(end))
  if (problem !== undefined) throw new Error(problem)
  const ofRows = new Map(
    stretch
      .filter(({ kind, number }) => kind === 'row' && number >= from && number <= to)
      .map((link) => [link.number, link]),
  )
  if (ofRows.size !== to - from + 1 || ofRows.size === 0) throw new Error('A row is missing.')
  return ofRows
}

const anchorOf = (head: Line | undefined): Anchor => ({
  number: Number(head?.number ?? 0),
  hash: head === undefined ? NOTHING_BEFORE : String(head.hash),
})

function verifiedRows(
  records: readonly Line[],
  links: ReadonlyMap<number, Link>,
  { from, to }: Omit<About, 'log'>,
): Pick<Verified, 'rows' | 'withoutPersonal'> {
  const personal = records.filter(
    ({ record, number }) => record === 'personal' && Number(number) >= from && Number(number) <= to,
  )
  for (const { number, salt, fields } of personal)
    if (
      personalHash(String(salt), fields as Record<string, string | null>) !==
      links.get(Number(number))?.personal
    )
      throw new Error(`The personal fields of number ${Number(number)} are not what was written.`)
  return { rows: links.size, withoutPersonal: links.size - personal.length }
}

/** The time in which a key signed, in epoch seconds. Undefined: unknown. */
export interface KeyTimes {
  kid: string
  createdAt?: number | undefined
  retiredAt?: number | undefined
}

const SIGNED: Partial<Record<string, string>> = {
  [HEAD_TYP]: 'A head of the chain',
  [TYP.receipt]: 'The receipt',
}

/** Returns the problem if a signature's time is outside its key's time; otherwise undefined. */
export function keyTimeProblem(
  { kid, createdAt, retiredAt }: KeyTimes,
  typ: string,
  signedAt: unknown,
): string | undefined {
  const what = SIGNED[typ] ?? 'The export'
  if (typeof signedAt !== 'number') return `${what} does not say when it was signed.`
  const at = (seconds: number): string => new Date(seconds * 1000).toISOString()
  if (createdAt !== undefined && signedAt < createdAt)
    return `${what} says that key ${kid} signed it at ${at(signedAt)}, before the key was made (${at(createdAt)}).`
  if (retiredAt !== undefined && signedAt > retiredAt)
    return `${what} was signed at ${at(signedAt)} by key ${kid}, which retired at ${at(retiredAt)}. A signature by a retired key proves nothing.`
  return undefined
}

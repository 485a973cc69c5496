import { hash } from 'node:crypto'
import { chainProblem, type Link, NOTHING_BEFORE, personalHash } from './evidence-chain.ts'

/** The file of `cmb evidence export`, read and verified without the broker: lines of JSON, or the same lines in a column of a CSV. */

export const EVIDENCE_FORMAT = 'broker-evidence/1'
export const HEAD_TYP = 'evidence-head+jwt'
export const SIGNATURE_TYP = 'evidence+jwt'

/** Checks a JWS by the public keys. @returns its claims where the signature is good and its type is this one */
export type CheckSignature = (jws: string, typ: string) => Promise<Readonly<Record<string, unknown>> | undefined>
type Line = Readonly<Record<string, unknown>>

const CSV_HEAD = 'record,id,at,state,json'

export function evidenceCsv(lines: readonly string[]): string {
  return [CSV_HEAD, ...lines.map((line) => [...columnsOf(line), line].map(quoted).join(','))].map((row) => `${row}\r\n`).join('')
}

function columnsOf(line: string): string[] {
  const one = JSON.parse(line) as Line
  const at = one.at_ms ?? one.created_at_ms ?? one.no_later_than_ms
  const id = one.id ?? one.delivery ?? one.number ?? one.guard_id ?? one.kid ?? one.seq ?? ''
  const state = one.state ?? one.outcome ?? ''
  return [one.record, id, typeof at === 'number' ? new Date(at).toISOString() : '', state].map((each) => safe(String(each)))
}

/** A spreadsheet must not take it for a formula. */
const safe = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text)
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`

/** @throws Error in words, where it is no file of evidence or its columns do not say what its lines say */
export function evidenceLines(text: string): string[] {
  if (!text.startsWith(CSV_HEAD)) return text.split('\n').filter((line) => line !== '')
  const rows = text.split('\r\n').slice(1)
  if (rows.pop() !== '') throw new Error('The file ends in the middle of a row.')
  return rows.map((row, i) => {
    const json = row.slice(row.indexOf('"{') + 1, -1).replaceAll('""', '"')
    if ([...columnsOf(json), json].map(quoted).join(',') !== row) throw new Error(`Row ${i + 1}: its columns were changed.`)
    return json
  })
}

export interface Verified {
  seq: number
  /** False: the revocation is older than the chain, and only the signature of the export covers it. */
  chained: boolean
  /** False: the user was erased; the chain still verifies. */
  personal: boolean
  signedAt: number
}

/** @throws Error that says what was changed */
export async function verifyEvidence(lines: readonly string[], check: CheckSignature): Promise<Verified> {
  const records = lines.map((line) => JSON.parse(line) as Line)
  const signature = await check(String(records.at(-1)?.jws), SIGNATURE_TYP)
  if (records.at(-1)?.record !== 'signature' || signature === undefined)
    throw new Error('The last line is no good signature of the broker: the file is cut off, changed, or signed by another key.')
  const signed = lines.slice(0, -1)
  const text = signed.map((line) => `${line}\n`).join('')
  if (signature.lines !== signed.length || signature.sha256 !== hash('sha256', text, 'base64url'))
    throw new Error('A line was changed, removed, added or moved: the signature of the export does not cover this file.')
  const seq = Number(signature.seq)
  return { seq, signedAt: Number(signature.iat), ...(await verifyChain(records, seq, check)) }
}

async function verifyChain(records: readonly Line[], seq: number, check: CheckSignature): Promise<{ chained: boolean; personal: boolean }> {
  const heads = await Promise.all(records.filter(({ record }) => record === 'head').map(async ({ jws }) => check(String(jws), HEAD_TYP)))
  const links = records.filter(({ record }) => record === 'link') as unknown as (Link & { personal: string | null })[]
  const end = heads.at(-1)
  if (end === undefined || heads.includes(undefined)) throw new Error('A head of the chain is not signed by the broker.')
  const start = heads.length > 1 ? heads[0] : undefined
  if (start === undefined && links[0]?.fields.former_hash !== null) throw new Error('The chain begins at no signed head.')
  const anchor = (head: Line | undefined) => ({ number: Number(head?.number ?? 0), hash: head === undefined ? NOTHING_BEFORE : String(head.hash) })
  const stretch = links.map(({ personal, ...link }): Link => (personal === null ? link : { ...link, personal }))
  const problem = chainProblem('revocations', anchor(start), stretch, anchor(end))
  if (problem !== undefined) throw new Error(problem)
  const row = stretch.find((link) => link.kind === 'row' && link.number === seq)
  const personal = records.find(({ record, number }) => record === 'personal' && number === seq)
  if (row !== undefined && personal !== undefined && personalHash(String(personal.salt), personal.fields as Record<string, string>) !== row.personal)
    throw new Error('The personal fields (sub, actor, comment) are not what was written.')
  return { chained: row !== undefined, personal: personal !== undefined }
}

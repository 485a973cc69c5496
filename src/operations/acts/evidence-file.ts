/** The file of `cmb evidence export`, read and verified without the broker: lines of JSON, or the same lines in a column of a CSV. */

import { quotedCell, withoutFormula } from '../../runtime/csv.ts'

export const EVIDENCE_FORMAT = 'broker-evidence/1'
export const HEAD_TYP = 'evidence-head+jwt'
export const SIGNATURE_TYP = 'evidence+jwt'

export type Line = Readonly<Record<string, unknown>>

const CSV_HEAD = 'record,id,at,state,json'

export function evidenceCsv(lines: readonly string[]): string {
  return [CSV_HEAD, ...lines.map((line) => [...columnsOf(line), line].map(quotedCell).join(','))].map((row) => `${row}\r\n`).join('')
}

function columnsOf(line: string): string[] {
  const one = JSON.parse(line) as Line
  const at = one.at_ms ?? one.created_at_ms ?? one.no_later_than_ms
  const id = one.id ?? one.delivery ?? one.number ?? one.guard_id ?? one.kid ?? one.seq ?? ''
  const state = one.state ?? one.outcome ?? ''
  return [one.record, id, typeof at === 'number' ? new Date(at).toISOString() : '', state].map((each) => withoutFormula(String(each)))
}

/** @throws Error in words, where it is not a file of evidence or its columns do not say what its lines say */
export function evidenceLines(text: string): string[] {
  if (!text.startsWith(CSV_HEAD)) return text.split('\n').filter((line) => line !== '')
  const rows = text.split('\r\n').slice(1)
  if (rows.pop() !== '') throw new Error('The file ends in the middle of a row.')
  return rows.map((row, i) => {
    const json = row.slice(row.indexOf('"{') + 1, -1).replaceAll('""', '"')
    if ([...columnsOf(json), json].map(quotedCell).join(',') !== row) throw new Error(`Row ${i + 1}: its columns were changed.`)
    return json
  })
}

import type { Link, LogName } from '../../src/protocol/evidence-chain.ts'
import type { EvidenceActs } from '../store.ts'
import type { SignedHead } from '../types.ts'
import type { Core } from './core.ts'
import { chains } from './chains.ts'

/** The chains as evidence: signed heads, and stretches of a log with what their hashes cover. */

const ROWS = {
  revocations: `SELECT seq AS number, hash, personal_hash, json_object('seq', seq, 'kind', kind, 'sid', sid, 'client_id', client_id, 'tid', tid,
    'reason', reason, 'actor_kind', actor_kind, 'at', at, 'at_ms', at_ms, 'case_reference', case_reference) AS fields
    FROM revocations WHERE seq > ? AND seq <= ? AND hash <> '' ORDER BY seq LIMIT ?`,
  audit: `SELECT id AS number, hash, personal_hash, json_object('id', id, 'at_ms', at_ms, 'actor_kind', actor_kind, 'via', via, 'act', act,
    'case_reference', case_reference) AS fields FROM audit WHERE id > ? AND id <= ? AND hash <> '' ORDER BY id LIMIT ?`,
}
interface LinkRow {
  number: number
  hash: string
  personal_hash: string
  fields: string
}
const fieldsOf = (json: string): Link['fields'] => JSON.parse(json) as Link['fields']
const linkOf = (row: LinkRow): Link => ({
  number: row.number,
  kind: 'row',
  hash: row.hash,
  personal: row.personal_hash,
  fields: fieldsOf(row.fields),
})
const beginOf = (row: Omit<LinkRow, 'personal_hash'>): Link => ({ number: row.number, kind: 'begin', hash: row.hash, fields: fieldsOf(row.fields) })

export function evidenceActs(core: Core): EvidenceActs {
  const { db, read, write } = core
  const { headOf } = chains(core)
  const rows = {
    revocations: db.prepare<[number, number, number], LinkRow>(ROWS.revocations),
    audit: db.prepare<[number, number, number], LinkRow>(ROWS.audit),
  }
  const add = db.prepare<[LogName, number, string, number, string]>(
    'INSERT OR IGNORE INTO chain_signatures (log, number, hash, at, signature) VALUES (?, ?, ?, ?, ?)',
  )
  const signed = (where: string) =>
    db.prepare<[LogName, number], SignedHead>(`SELECT number, hash, at, signature FROM chain_signatures WHERE log = ? AND number ${where} LIMIT 1`)
  const before = signed('< ? ORDER BY number DESC, rowid DESC')
  const from = signed('>= ? ORDER BY number, rowid')
  const latest = signed('<= ? ORDER BY number DESC, rowid DESC')
  const begins = db.prepare<[LogName, number, number], Omit<LinkRow, 'personal_hash'>>(
    'SELECT number, hash, fields FROM chain_begins WHERE log = ? AND number >= ? AND number <= ? ORDER BY number, rowid',
  )
  const personal = db.prepare<[number], { sub: string | null; actor_id: string; comment: string | null; salt: string | null }>(
    'SELECT sub, actor_id, comment, salt FROM revocations WHERE seq = ?',
  )

  return {
    chainHead: (log) => read(() => ({ ...headOf(log), signed: latest.get(log, Number.MAX_SAFE_INTEGER) })),
    addSignedHead: ({ log, number, hash, at, signature }) => write(() => void add.run(log, number, hash, at, signature)),
    signedAround: ({ log, number }) => read(() => ({ before: before.get(log, number), from: from.get(log, number) })),
    chainRows: ({ log, after, to, limit }) => read(() => rows[log].all(after, to, limit).map(linkOf)),
    chainBegins: ({ log, from: first, to }) => read(() => begins.all(log, first, to).map(beginOf)),
    personalOf: (seq) =>
      read(() => {
        const row = personal.get(seq)
        return row === undefined || row.salt === null
          ? undefined
          : { salt: row.salt, fields: { sub: row.sub, actor_id: row.actor_id, comment: row.comment } }
      }),
  }
}

import type { Link, LogName } from '../../src/protocol/evidence-chain.ts'
import type { EvidenceActs } from '../store.ts'
import type { AuditOutcome, EvidenceRow, SignedHead } from '../types.ts'
import type { Core } from './core.ts'
import { chains } from './chains.ts'

/** The chains as evidence: signed heads, and stretches of a log with what their hashes cover. */

/** What the hash of a row covers in clear. */
const FIELDS = {
  revocations: `json_object('seq', seq, 'kind', kind, 'sid', sid, 'client_id', client_id, 'tid', tid, 'reason', reason, 'actor_kind', actor_kind,
    'at', at, 'at_ms', at_ms, 'case_reference', case_reference)`,
  audit: `json_object('id', a.id, 'at_ms', a.at_ms, 'actor_kind', actor_kind, 'via', via, 'act', act, 'case_reference', case_reference)`,
}
const LINKS = {
  revocations: `SELECT seq AS number, hash, personal_hash, ${FIELDS.revocations} AS fields
    FROM revocations WHERE seq > ? AND seq <= ? AND hash <> '' ORDER BY seq LIMIT ?`,
  audit: `SELECT id AS number, hash, personal_hash, ${FIELDS.audit} AS fields
    FROM audit a WHERE id > ? AND id <= ? AND hash <> '' ORDER BY id LIMIT ?`,
}
const WHOLE = {
  revocations: `SELECT seq AS number, hash, ${FIELDS.revocations} AS fields, salt,
      json_object('sub', sub, 'actor_id', actor_id, 'comment', comment) AS personal, NULL AS ended_at_ms, NULL AS outcome, NULL AS result
    FROM revocations WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  audit: `SELECT a.id AS number, hash, ${FIELDS.audit} AS fields, salt,
      json_object('actor_id', actor_id, 'target', target, 'comment', comment, 'details', details) AS personal,
      o.at_ms AS ended_at_ms, o.outcome, o.result
    FROM audit a LEFT JOIN audit_salts s ON s.id = a.id LEFT JOIN audit_outcomes o ON o.id = a.id WHERE a.id > ? AND a.id <= ? ORDER BY a.id LIMIT ?`,
}
interface WholeRow {
  number: number
  hash: string
  fields: string
  salt: string | null
  personal: string
  ended_at_ms: number | null
  /** `refused` in rows of an earlier version. */
  outcome: AuditOutcome['outcome'] | 'refused' | null
  result: string | null
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

function wholeOf(row: WholeRow): EvidenceRow {
  const chained = row.hash !== ''
  // Erasing the user deletes the salt of a row in the chain, and leaves an empty one with a row that is older.
  const erased = chained ? row.salt === null : row.salt === ''
  return {
    number: row.number,
    chained,
    fields: fieldsOf(row.fields),
    personal: erased ? undefined : { salt: row.salt, fields: JSON.parse(row.personal) as Record<string, string | null> },
    ended:
      row.outcome === null
        ? undefined
        : {
            outcome: row.outcome === 'refused' ? 'rejected' : row.outcome,
            atMs: row.ended_at_ms ?? 0,
            result: JSON.parse(row.result ?? '{}') as Record<string, unknown>,
          },
  }
}

export function evidenceActs(core: Core): EvidenceActs {
  const { db, read, write } = core
  const { headOf } = chains(core)
  const links = {
    revocations: db.prepare<[number, number, number], LinkRow>(LINKS.revocations),
    audit: db.prepare<[number, number, number], LinkRow>(LINKS.audit),
  }
  const whole = {
    revocations: db.prepare<[number, number, number], WholeRow>(WHOLE.revocations),
    audit: db.prepare<[number, number, number], WholeRow>(WHOLE.audit),
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

  return {
    chainHead: (log) => read(() => ({ ...headOf(log), signed: latest.get(log, Number.MAX_SAFE_INTEGER) })),
    addSignedHead: ({ log, number, hash, at, signature }) => write(() => void add.run(log, number, hash, at, signature)),
    signedAround: ({ log, number }) => read(() => ({ before: before.get(log, number), from: from.get(log, number) })),
    chainRows: ({ log, after, to, limit }) => read(() => links[log].all(after, to, limit).map(linkOf)),
    chainBegins: ({ log, from: first, to }) => read(() => begins.all(log, first, to).map(beginOf)),
    evidenceRows: ({ log, after, to, limit }) => read(() => whole[log].all(after, to, limit).map(wholeOf)),
  }
}

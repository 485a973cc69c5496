import { sql, type SQL } from 'drizzle-orm'
import type { Link, LogName } from '../../src/protocol/evidence-chain.ts'
import type { Act } from '../engine/act.ts'
import { columnsOf, command, insertInto, pick, query, type Takes } from '../engine/statement.ts'
import { audit, auditSalts, chainBegins, chainSignatures, revocations } from '../schema.ts'
import type { EvidenceRow, SignedHead } from '../types.ts'
import { endOf, entryFields, joinOutcomes, linkOfEntry } from './audit.ts'
import { chainHead } from './chain.ts'
import { linkOfRevocation, revocationFields } from './revocations.ts'

/**
 * The chains as evidence: signed heads, and ranges of a log with the content that their hashes
 * cover.
 */

const ofRevocations = query(
  { ...revocationFields, ...columnsOf(revocations, 'hash', 'personalHash', 'salt') },
  (p: Takes<{ after: number; to: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${revocations} WHERE ${revocations.seq} > ${p.after} AND ${revocations.seq} <= ${p.to}
      ORDER BY ${revocations.seq} LIMIT ${p.limit}`,
)
const ofAudit = query(
  {
    ...entryFields,
    ...columnsOf(audit, 'hash', 'personalHash'),
    salt: sql<string | null>`${auditSalts.salt}`,
  },
  (p: Takes<{ after: number; to: number; limit: number }>, f) =>
    sql`SELECT ${f} FROM ${audit} ${joinOutcomes} LEFT JOIN ${auditSalts} ON ${auditSalts.id} = ${audit.id}
      WHERE ${audit.id} > ${p.after} AND ${audit.id} <= ${p.to} ORDER BY ${audit.id} LIMIT ${p.limit}`,
)

const addSignature = command(
  (p: Takes<{ log: LogName; number: number; hash: string; at: number; signature: string }>) =>
    sql`${insertInto(chainSignatures, pick(p, 'log', 'number', 'hash', 'at', 'signature'))} ON CONFLICT DO NOTHING`,
)
const signed = (build: (number: SQL<number>) => SQL) =>
  query(
    columnsOf(chainSignatures, 'number', 'hash', 'at', 'signature'),
    (p: Takes<{ log: LogName; number: number }>, f) =>
      sql`SELECT ${f} FROM ${chainSignatures} WHERE ${chainSignatures.log} = ${p.log} AND ${chainSignatures.number} ${build(p.number)} LIMIT 1`,
  )
const newest = sql`ORDER BY ${chainSignatures.number} DESC, ${chainSignatures.id} DESC`
const signedBefore = signed((number) => sql`< ${number} ${newest}`)
const signedFrom = signed(
  (number) => sql`>= ${number} ORDER BY ${chainSignatures.number}, ${chainSignatures.id}`,
)
const begins = query(
  columnsOf(chainBegins, 'number', 'hash', 'fields'),
  (p: Takes<{ log: LogName; from: number; to: number }>, f) =>
    sql`SELECT ${f} FROM ${chainBegins} WHERE ${chainBegins.log} = ${p.log} AND ${chainBegins.number} >= ${p.from} AND ${chainBegins.number} <= ${p.to}
      ORDER BY ${chainBegins.number}, ${chainBegins.id}`,
)

export function* headAndSignature(
  log: LogName,
): Act<{ number: number; hash: string; signed: SignedHead | undefined }> {
  return {
    ...(yield* chainHead(log)),
    signed: yield* signedBefore.get({ log, number: Number.MAX_SAFE_INTEGER }),
  }
}
export const addSignedHead = (head: SignedHead & { log: LogName }): Act<unknown> =>
  addSignature.run({ ...head })
/** Returns the last signed head before a row, and the first at or after it. */
export function* signedAround(place: {
  log: LogName
  number: number
}): Act<{ before: SignedHead | undefined; from: SignedHead | undefined }> {
  return { before: yield* signedBefore.get(place), from: yield* signedFrom.get(place) }
}
/** Returns the rows after `after` up to and including `to`, rising. */
export function* chainRows({
  log,
  ...stretch
}: {
  log: LogName
  after: number
  to: number
  limit: number
}): Act<EvidenceRow[]> {
  const rows =
    log === 'audit'
      ? (yield* ofAudit.all(stretch)).map((row) => ({
          row,
          number: row.id,
          link: linkOfEntry(row),
          ended: endOf(row, row.atMs),
        }))
      : (yield* ofRevocations.all(stretch)).map((row) => ({
          row,
          number: row.seq,
          link: linkOfRevocation(row),
          ended: undefined,
        }))
  return rows.map(({ row, number, link, ended }) => ({
    number,
    kind: 'row',
    fields: link.fields,
    personal: row.personalHash,
    hash: row.hash,
    salt: row.salt,
    content: link.personal,
    ended,
  }))
}
export function* segmentBegins(place: { log: LogName; from: number; to: number }): Act<Link[]> {
  return (yield* begins.all(place)).map(({ fields, ...row }) => ({
    ...row,
    kind: 'begin',
    fields: JSON.parse(fields) as Link['fields'],
  }))
}

import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { EvidenceRow, LoggedRevocation } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { canonical, type Link, type LogName } from '../../protocol/evidence-chain.ts'
import { EVIDENCE_FORMAT, HEAD_TYP, SIGNATURE_TYP } from './evidence-file.ts'
import { signedReceiptOf } from './receipts.ts'
import { totalOf } from './totals.ts'

/**
 * Exports signed evidence: the rows, the part of the log's hash chain around them between two
 * signed heads, related records outside the chain (deliveries, receipt, outcomes), the public keys,
 * and a signature of all lines.
 */

const PAGE = 200
type EvidenceDeps = Pick<Deps, 'store' | 'feed' | 'keys' | 'clock' | 'config' | 'clients'>
type AuditDeps = Pick<Deps, 'store' | 'keys' | 'clock' | 'config'>
type Record_ = { record: string } & Readonly<Record<string, unknown>>

/** A range of row numbers, both included. */
interface Range {
  from: number
  to: number
}

/** Signs the head of a log's chain as it is now. */
export async function signHead(
  { store, keys, clock }: Pick<Deps, 'store' | 'keys' | 'clock'>,
  log: LogName,
): Promise<void> {
  const [{ number, hash, signed }, { epoch }] = await Promise.all([
    store.chainHead(log),
    store.head(),
  ])
  if (signed?.hash === hash) return
  const at = clock.now()
  await store.addSignedHead({
    log,
    number,
    hash,
    at,
    signature: keys.sign('ES256', HEAD_TYP, { log, epoch, number, hash, iat: at }),
  })
}

/** Returns the evidence of one revocation as lines. The last line signs the others. */
export const evidenceOf = (
  deps: EvidenceDeps,
  revocation: LoggedRevocation,
): AsyncGenerator<string> =>
  signed(deps, { seq: revocation.seq }, revocationRecords(deps, revocation))

/** Returns the audit entries of a range as lines of signed evidence. */
export const auditEvidence = (deps: AuditDeps, range: Range): AsyncGenerator<string> =>
  signed(deps, { log: 'audit', ...range }, auditRecords(deps, range))

/**
 * Returns the range from the first to the last matching entry, or undefined. It includes entries
 * between them whose time does not match because the clock was set.
 */
export async function auditRange(
  { store }: Pick<Deps, 'store'>,
  asked: {
    fromId?: number | undefined
    toId?: number | undefined
    sinceMs?: number | undefined
    untilMs?: number | undefined
  },
): Promise<Range | undefined> {
  const { fromId = 1, toId, sinceMs, untilMs } = asked
  const [[first], [last]] = await Promise.all([
    store.listAudit({ after: fromId - 1, sinceMs, untilMs, limit: 1 }),
    store.listAudit({
      before: toId === undefined ? undefined : toId + 1,
      sinceMs,
      untilMs,
      limit: 1,
    }),
  ])
  return first === undefined || last === undefined || first.id > last.id
    ? undefined
    : { from: first.id, to: last.id }
}

async function* signed(
  { keys, clock }: AuditDeps,
  about: Record<string, unknown>,
  records: AsyncIterable<Record_>,
): AsyncGenerator<string> {
  const digest = createHash('sha256')
  let lines = 0
  for await (const record of records) {
    const line = `${canonical(record as never)}\n`
    digest.update(line)
    lines += 1
    yield line
  }
  const claims = {
    format: EVIDENCE_FORMAT,
    ...about,
    lines,
    sha256: digest.digest('base64url'),
    iat: clock.now(),
  }
  yield `${canonical({ record: 'signature', jws: keys.sign('ES256', SIGNATURE_TYP, claims) })}\n`
}

async function* revocationRecords(
  deps: EvidenceDeps,
  revocation: LoggedRevocation,
): AsyncGenerator<Record_> {
  const { seq, totals, fanOut, sessions } = revocation
  const range = { from: seq, to: seq }
  yield* opening(deps, 'revocations', { seq })
  yield* chain(deps, 'revocations', range)
  yield* rows(deps, 'revocations', range)
  yield {
    record: 'state',
    fan_out: fanOut,
    sessions: fanOut === 'pending' ? null : sessions,
    totals: { total: totalOf(totals), ...totals },
  }
  yield* deliveries(deps, seq)
  const receipt = await signedReceiptOf(deps, seq)
  if (receipt !== undefined) yield { record: 'receipt', seq, jws: receipt.jws }
}

async function* auditRecords(deps: AuditDeps, range: Range): AsyncGenerator<Record_> {
  yield* opening(deps, 'audit', { log: 'audit', ...range })
  yield* chain(deps, 'audit', range)
  yield* rows(deps, 'audit', range)
}

/** Yields the header of the file and the public keys with their times. */
async function* opening(
  deps: AuditDeps,
  log: LogName,
  about: Record<string, unknown>,
): AsyncGenerator<Record_> {
  await signHead(deps, log)
  yield {
    record: 'evidence',
    format: EVIDENCE_FORMAT,
    issuer: deps.config.issuer,
    ...about,
    exported_at: deps.clock.now(),
  }
  for (const { kid, publicJwk, createdAt, retireAt } of await deps.keys.list())
    yield { record: 'key', kid, jwk: publicJwk, created_at: createdAt, retire_at: retireAt ?? null }
}

/** Yields the links from the last signed head before the rows to the first one after them. */
async function* chain(
  { store }: AuditDeps,
  log: LogName,
  { from, to }: Range,
): AsyncGenerator<Record_> {
  const [{ before }, { from: end }] = await Promise.all([
    store.signedAround({ log, number: from }),
    store.signedAround({ log, number: to }),
  ])
  if (end === undefined) return
  if (before !== undefined) yield { record: 'head', jws: before.signature }
  let begins = await store.chainBegins({ log, from: before?.number ?? 0, to: end.number })
  // A chain start with the head's own number is later only if it names the head's hash.
  begins = begins.filter(
    (one) =>
      before === undefined || one.number > before.number || one.fields.former_hash === before.hash,
  )
  for (let after = before?.number ?? 0; ;) {
    const found = await store.chainRows({ log, after, to: end.number, limit: PAGE })
    for (const row of found) {
      while (begins[0] !== undefined && begins[0].number < row.number)
        yield linkShown(begins.shift() as Link)
      yield linkShown(row)
    }
    after = found.at(-1)?.number ?? after
    if (found.length < PAGE) break
    await turn()
  }
  for (const one of begins)
    if (one.number < end.number || one.hash === end.hash) yield linkShown(one)
  yield { record: 'head', jws: end.signature }
}

const linkShown = ({ number, kind, fields, personal, hash }: Link): Record_ => ({
  record: 'link',
  number,
  kind,
  fields,
  personal: personal ?? null,
  hash,
})

/** Yields the fields of the rows that their links hold only as hashes. */
async function* rows(
  { store }: AuditDeps,
  log: LogName,
  { from, to }: Range,
): AsyncGenerator<Record_> {
  for (let after = from - 1; ;) {
    const found = await store.evidenceRows({ log, after, to, limit: PAGE })
    for (const row of found) yield* rowShown(row)
    after = found.at(-1)?.number ?? after
    if (found.length < PAGE) return
    await turn()
  }
}

function* rowShown({ number, personal, ended }: EvidenceRow): Generator<Record_> {
  // An erased user has no salt any more. Only the hash in the chain remains.
  if (personal !== undefined)
    yield { record: 'personal', number, salt: personal.salt, fields: personal.fields }
  if (ended !== undefined)
    yield {
      record: 'ended',
      number,
      outcome: ended.outcome,
      at_ms: ended.atMs,
      result: ended.result,
    }
}

async function* deliveries({ store }: EvidenceDeps, seq: number): AsyncGenerator<Record_> {
  for (let before: string | undefined; ;) {
    const page = await store.listDeliveries({ seq, limit: PAGE, before })
    for (const { id, clientId, uri, state, sid, sub, createdAtMs, settledAtMs } of page) {
      yield {
        record: 'delivery',
        id,
        client_id: clientId,
        uri,
        state,
        sid,
        sub,
        created_at_ms: createdAtMs,
        settled_at_ms: settledAtMs ?? null,
      }
      for (const {
        attempt,
        atMs,
        outcome,
        status,
        latencyMs,
        jti,
        error,
      } of await store.attemptsOf(id))
        yield {
          record: 'attempt',
          delivery: id,
          attempt,
          at_ms: atMs,
          outcome,
          status,
          latency_ms: latencyMs,
          jti,
          error,
        }
    }
    before = page.at(-1)?.id
    if (page.length < PAGE) return
    await turn()
  }
}

import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Delivery, LoggedRevocation } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { auditEntry, delivery, revocation as revocationShape } from '../contract/shapes.ts'
import { toWire } from '../contract/wire.ts'
import type { Deps } from '../deps.ts'
import { canonical, type LogName } from '../../protocol/evidence-chain.ts'
import { concernsMany } from '../../protocol/revocation.ts'
import { deliveryShown } from './deliveries.ts'
import { EVIDENCE_FORMAT, HEAD_TYP, OF_STRETCH, OF_USER, type Stretch } from './evidence-file.ts'
import { signedReceiptOf } from './receipts.ts'
import { loggedRow } from './revocations.ts'

/**
 * Exports signed evidence: the rows, the part of the log's hash chain around them between two
 * signed heads, related records outside the chain (deliveries, receipt, outcomes), the public keys,
 * and a signature of all lines.
 */

const PAGE = 200
/** The most revocations in the evidence of a user: each brings up to 1,000 rows of the chain. */
const MOST_REVOCATIONS = 100
type AuditDeps = Pick<Deps, 'store' | 'keys' | 'clock' | 'config'>
type EvidenceDeps = AuditDeps & Pick<Deps, 'feed' | 'clients' | 'clockWatch'>
type Record_ = { record: string } & Readonly<Record<string, unknown>>

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

/**
 * Returns the evidence of one revocation as lines. The last line signs the others.
 * @param sub only the deliveries of a wide revocation that are about this user
 */
export function evidenceOf(
  deps: EvidenceDeps,
  revocation: LoggedRevocation,
  sub?: string,
): AsyncGenerator<string> {
  const { seq } = revocation
  return signedLines(deps, { log: 'revocations', from: seq, to: seq }, about(deps, revocation, sub))
}

interface OfUser {
  sub: string
  /** Epoch seconds; `until` is not included. */
  since?: number | undefined
  until?: number | undefined
}

/**
 * Returns the revocations that the evidence of a user in a period covers, the oldest first.
 * @throws Problem 404, 409, 422
 */
export async function revocationsOfUser(
  { store }: Pick<Deps, 'store'>,
  wanted: OfUser,
): Promise<LoggedRevocation[]> {
  const running = await store.oldestFanOut()
  if (running !== undefined && running.at < (wanted.until ?? Infinity))
    throw new Problem(
      409,
      'A revocation is being written',
      `Revocation ${running.seq} ends sessions of many users, and is not in the histories of all of them yet. Ask again in a minute, or for a period before it.`,
    )
  const found = await store.listRevocations({ ...wanted, limit: MOST_REVOCATIONS + 1 })
  if (found.length === 0)
    throw new Problem(
      404,
      'No such revocations',
      'The log has no revocation of that user in that period; cmb revocations list --subject lists those it has.',
    )
  if (found.length > MOST_REVOCATIONS)
    throw new Problem(
      422,
      'Too many revocations',
      `One file holds at most ${MOST_REVOCATIONS} revocations, and the period has more. Name shorter periods, one file for each.`,
    )
  return found.toReversed()
}

/**
 * Yields the evidence of each revocation of a user, one after another. The last line signs all of
 * them, with the user and the period.
 */
export async function* evidenceOfUser(
  deps: EvidenceDeps,
  { sub, since, until }: OfUser,
  revocations: readonly LoggedRevocation[],
): AsyncGenerator<string> {
  const claims = {
    format: EVIDENCE_FORMAT,
    iss: deps.config.issuer,
    sub,
    since,
    until,
    seqs: revocations.map(({ seq }) => seq),
  }
  const each = async function* (): AsyncGenerator<string> {
    for (const revocation of revocations) yield* evidenceOf(deps, revocation, sub)
  }
  yield* withSignature(deps, each(), OF_USER, claims)
}

/** Yields the lines, and a last line that signs them with the claims. */
async function* withSignature(
  { keys, clock }: Pick<Deps, 'keys' | 'clock'>,
  lines: AsyncIterable<string>,
  [record, typ]: typeof OF_USER | typeof OF_STRETCH,
  about: object,
): AsyncGenerator<string> {
  const digest = createHash('sha256')
  let count = 0
  for await (const line of lines) {
    digest.update(line)
    count += 1
    yield line
  }
  const claims = {
    ...about,
    lines: count,
    sha256: digest.digest('base64url'),
    iat: clock.now(),
  }
  yield lineOf({ record, jws: keys.sign('ES256', typ, claims) })
}

const lineOf = (record: Record_): string => `${canonical(record as never)}\n`

/**
 * Returns the range from the first to the last matching entry, or undefined. It includes entries
 * between them whose time does not match because the clock was set.
 */
export async function auditRange(
  { store }: Pick<Deps, 'store'>,
  period: { sinceMs?: number | undefined; untilMs?: number | undefined },
): Promise<Stretch | undefined> {
  const [[first], [last]] = await Promise.all([
    store.listAudit({ after: 0, ...period, limit: 1 }),
    store.listAudit({ ...period, limit: 1 }),
  ])
  return first === undefined || last === undefined || first.id > last.id
    ? undefined
    : { log: 'audit', from: first.id, to: last.id }
}

/** Returns the rows of a range as lines of signed evidence, with what is recorded about them. */
export async function* signedLines(
  deps: AuditDeps,
  stretch: Stretch,
  more?: AsyncIterable<Record_>,
): AsyncGenerator<string> {
  await signHead(deps, stretch.log)
  const header = { format: EVIDENCE_FORMAT, iss: deps.config.issuer, ...stretch }
  const rows = async function* (): AsyncGenerator<string> {
    for (const records of [opening(deps, header), chain(deps, stretch), more ?? []])
      for await (const record of records) yield lineOf(record)
  }
  yield* withSignature(deps, rows(), OF_STRETCH, header)
}

/** Yields the header of the file and the public keys with their times. */
async function* opening({ keys }: AuditDeps, header: object): AsyncGenerator<Record_> {
  yield { record: 'evidence', ...header }
  for (const { kid, publicJwk, createdAt, retireAt } of await keys.list())
    yield { record: 'key', ...publicJwk, kid, created_at: createdAt, retire_at: retireAt }
}

/**
 * Yields the links from the last signed head before the rows to the first one after them. The links
 * of the rows hold also the fields that the chain holds as a salted hash, unless their user was
 * erased, and how the act ended.
 */
async function* chain({ store }: AuditDeps, { log, from, to }: Stretch): AsyncGenerator<Record_> {
  const [{ before }, { from: end }] = await Promise.all([
    store.signedAround({ log, number: from }),
    store.signedAround({ log, number: to }),
  ])
  if (end === undefined) return
  if (before !== undefined) yield { record: 'head', jws: before.signature }
  let after = before?.number ?? 0
  const all = await store.chainBegins({ log, from: after, to: end.number })
  // A chain start with the head's own number is later only if it names the head's hash.
  const begins = all.filter(
    (chainBegin) =>
      before === undefined ||
      chainBegin.number > before.number ||
      chainBegin.fields.former_hash === before.hash,
  )
  for (let more = true; more;) {
    const found = await store.chainRows({ log, after, to: end.number, limit: PAGE })
    for (const { salt, content, ended, ...link } of found) {
      const { number } = link
      while (begins[0] !== undefined && begins[0].number < number)
        yield { record: 'link', ...begins.shift() }
      const row = {
        ...(salt && { salt, content }),
        ended: ended && toWire(auditEntry.shape.ended, ended),
      }
      yield { record: 'link', ...link, ...(number >= from && number <= to && row) }
      after = number
    }
    more = found.length === PAGE
    await turn()
  }
  for (const begin of begins)
    if (begin.number < end.number || begin.hash === end.hash) yield { record: 'link', ...begin }
  yield { record: 'head', jws: end.signature }
}

/** Yields what is recorded about a revocation outside the chain. */
async function* about(
  deps: EvidenceDeps,
  revocation: LoggedRevocation,
  sub: string | undefined,
): AsyncGenerator<Record_> {
  const { store } = deps
  const { seq, fan_out, sessions, totals } = toWire(revocationShape, loggedRow(revocation))
  yield { record: 'state', fan_out, sessions, totals }
  const ofUser = concernsMany(revocation.selector) ? sub : undefined
  for (let last: Delivery | undefined, more = true; more;) {
    const page = await (ofUser === undefined
      ? store.listDeliveries({ seq, limit: PAGE, before: last?.id })
      : store.deliveriesOfUser({ seq, sub: ofUser, after: last?.id ?? '', limit: PAGE }))
    for (const each of page)
      yield {
        record: 'delivery',
        ...toWire(delivery, deliveryShown(each, await store.attemptsOf(each.id))),
      }
    last = page.at(-1)
    more = page.length === PAGE
    await turn()
  }
  const receipt = await signedReceiptOf(deps, seq)
  if (receipt !== undefined) yield { record: 'receipt', jws: receipt.jws }
}

import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { LoggedRevocation } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { canonical, type Link, type LogName } from '../protocol/evidence-chain.ts'
import { EVIDENCE_FORMAT, HEAD_TYP, SIGNATURE_TYP } from '../protocol/evidence-file.ts'
import { guardProof } from './guards.ts'
import { totalOf } from './totals.ts'

/**
 * What is known of one revocation, as lines that prove themselves: its row, the stretch of the log's chain that holds it between two signed heads,
 * its deliveries with their attempts, what guards reported, the public keys, and last a signature of all lines before it.
 */

const PAGE = 200
type EvidenceDeps = Pick<Deps, 'store' | 'feed' | 'keys' | 'clock' | 'config'>
type Record_ = { record: string } & Readonly<Record<string, unknown>>

/** Signs the head of a log's chain as it is now. */
export async function signHead({ store, keys, clock }: Pick<Deps, 'store' | 'keys' | 'clock'>, log: LogName): Promise<void> {
  const [{ number, hash, signed }, { epoch }] = await Promise.all([store.chainHead(log), store.head()])
  if (signed?.hash === hash) return
  const at = clock.now()
  await store.addSignedHead({ log, number, hash, at, signature: keys.sign('ES256', HEAD_TYP, { log, epoch, number, hash, iat: at }) })
}

/** The lines, each with its newline; the last signs the others. */
export async function* evidenceOf(deps: EvidenceDeps, revocation: LoggedRevocation): AsyncGenerator<string> {
  const digest = createHash('sha256')
  let lines = 0
  for await (const record of records(deps, revocation)) {
    const line = `${canonical(record as never)}\n`
    digest.update(line)
    lines += 1
    yield line
  }
  const claims = { format: EVIDENCE_FORMAT, seq: revocation.seq, lines, sha256: digest.digest('base64url'), iat: deps.clock.now() }
  yield `${canonical({ record: 'signature', jws: deps.keys.sign('ES256', SIGNATURE_TYP, claims) })}\n`
}

async function* records(deps: EvidenceDeps, revocation: LoggedRevocation): AsyncGenerator<Record_> {
  const { store, keys, clock, config } = deps
  await signHead(deps, 'revocations')
  const { seq, totals, fanOut, sessions } = revocation
  yield { record: 'evidence', format: EVIDENCE_FORMAT, issuer: config.issuer, seq, exported_at: clock.now() }
  for (const { kid, publicJwk } of await keys.list()) yield { record: 'key', kid, jwk: publicJwk }
  yield* chain(deps, seq)
  // Without its salt the user was erased: the hash in the chain is all that is left to verify.
  const personal = await store.personalOf(seq)
  if (personal !== undefined) yield { record: 'personal', number: seq, salt: personal.salt, fields: personal.fields }
  yield { record: 'state', fan_out: fanOut, sessions: fanOut === 'pending' ? null : sessions, totals: { total: totalOf(totals), ...totals } }
  yield* deliveries(deps, seq)
  for (const guard of await guardProof(deps, revocation)) yield { record: 'guard', ...guard }
}

async function* chain({ store }: EvidenceDeps, seq: number): AsyncGenerator<Record_> {
  const log = 'revocations'
  const { before, from: end } = await store.signedAround({ log, number: seq })
  if (end === undefined) return
  if (before !== undefined) yield { record: 'head', jws: before.signature }
  let begins = await store.chainBegins({ log, from: before?.number ?? 0, to: end.number })
  // One of the same number as the signed head is after it only where it names it.
  begins = begins.filter((one) => before === undefined || one.number > before.number || one.fields.former_hash === before.hash)
  const shown = ({ number, kind, fields, personal, hash }: Link): Record_ => ({
    record: 'link',
    number,
    kind,
    fields,
    personal: personal ?? null,
    hash,
  })
  for (let after = before?.number ?? 0; ;) {
    const rows = await store.chainRows({ log, after, to: end.number, limit: PAGE })
    for (const row of rows) {
      while (begins[0] !== undefined && begins[0].number < row.number) yield shown(begins.shift() as Link)
      yield shown(row)
    }
    after = rows.at(-1)?.number ?? after
    if (rows.length < PAGE) break
    await turn()
  }
  for (const one of begins) if (one.number < end.number || one.hash === end.hash) yield shown(one)
  yield { record: 'head', jws: end.signature }
}

async function* deliveries({ store }: EvidenceDeps, seq: number): AsyncGenerator<Record_> {
  for (let before: string | undefined; ;) {
    const page = await store.listDeliveries({ seq, limit: PAGE, before })
    for (const { id, clientId, uri, state, sid, sub, createdAtMs, settledAtMs } of page) {
      yield { record: 'delivery', id, client_id: clientId, uri, state, sid, sub, created_at_ms: createdAtMs, settled_at_ms: settledAtMs ?? null }
      for (const { attempt, atMs, outcome, status, latencyMs, jti, error } of await store.attemptsOf(id))
        yield { record: 'attempt', delivery: id, attempt, at_ms: atMs, outcome, status, latency_ms: latencyMs, jti, error }
    }
    before = page.at(-1)?.id
    if (page.length < PAGE) return
    await turn()
  }
}

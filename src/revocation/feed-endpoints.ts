import { Hono, type Context } from 'hono'
import type { z } from 'zod'
import type { GuardReport } from '../../db/types.ts'
import { readForm, readText } from '../clients/form.ts'
import { endOf } from '../session/lifetimes.ts'
import { mustBeWithin } from '../runtime/rate-limits.ts'
import { remoteOf } from '../runtime/remote-address.ts'
import {
  mustBeConfidential,
  requestingClient,
  stillAuthenticated,
} from '../clients/authenticate.ts'
import type { Deps } from './deps.ts'
import type { Client } from '../protocol/client-metadata.ts'
import { described } from '../protocol/described.ts'
import { OAuthError } from '../protocol/error.ts'
import { parseJson, readParams, required, type Params } from '../protocol/params.ts'
import {
  ANCHOR,
  ANCHOR_BY_FORM,
  FOLLOW,
  FOLLOW_BY_FORM,
  OWN_SESSION,
  REPORT,
  reportSchema,
} from './feed-described.ts'
import {
  ANY_GUARD,
  ENTRY_SECONDS,
  entriesAfter,
  entriesFor,
  GUARD_ID,
  NONCE,
  PAGE,
  readEventId,
  tenantsOf,
  isLost,
  noteLost,
} from './feed-wire.ts'
import { createReportBook } from './report-book.ts'

/**
 * Endpoints at which guards follow the log and report what they enforce (docs/feed.md). They reject
 * all but confidential clients.
 */

const NO_STORE = { 'Cache-Control': 'no-store, no-transform' }
const MAX_REPORT_BYTES = 4_096
const MAX_ASSERTION_BYTES = 8_192

export function feedEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const note = createReportBook(deps)
  const follow = async (c: Context, params: Params): Promise<Response> => {
    const client = await authenticatedClient(deps, c, params)
    // Asks the store, because another broker may have removed the client. A locked client still
    // follows the feed, or its guards would accept revoked tokens.
    const granted = await deps.store.grantClient({
      clientId: client.clientId,
      audience: client.metadata.audience,
    })
    if (granted.outcome === 'rejected' && granted.why === 'unknown')
      throw new OAuthError(
        'invalid_client',
        'The client was removed from the broker. Ask an operator of the broker to register it.',
      )
    const guardId = params.get('guard') ?? ANY_GUARD
    if (!GUARD_ID.test(guardId))
      throw new OAuthError(
        'invalid_request',
        'The parameter guard must be 1 to 64 letters, digits, dots, dashes or underscores.',
      )
    const nonce = params.has('nonce') ? nonceOf(params) : undefined
    if (!['1', undefined].includes(params.get('sessions')))
      throw new OAuthError('invalid_request', 'The parameter sessions must be 1, or left out.')
    const guard = { client, guardId, sessions: params.has('sessions') }
    return (c.req.header('accept') ?? '').includes('text/event-stream')
      ? stream(deps, guard, c, params, nonce)
      : c.json({ ...(await snapshot(deps, guard, params)), nonce }, 200, NO_STORE)
  }
  endpoints.get(
    '/revocations',
    described(FOLLOW, (c: Context) => follow(c, queryOf(c))),
  )
  endpoints.post(
    '/revocations',
    described(FOLLOW_BY_FORM, async (c: Context) => follow(c, await readForm(c))),
  )
  endpoints.get(
    '/revocations/clock',
    described(ANCHOR, (c: Context) => anchor(deps, c, queryOf(c))),
  )
  endpoints.post(
    '/revocations/clock',
    described(ANCHOR_BY_FORM, async (c: Context) => anchor(deps, c, await readForm(c))),
  )
  endpoints.post(
    '/revocations/session',
    described(OWN_SESSION, async (c: Context) => ownSession(deps, c, await readForm(c))),
  )
  const report = async (c: Context): Promise<Response> => {
    // A client that authenticates by an assertion sends it beside the report.
    const beside = c.req.header('authorization') === undefined && isJson(c)
    const body = beside
      ? parseJson(await readText(c, MAX_REPORT_BYTES + MAX_ASSERTION_BYTES))
      : undefined
    const client = await authenticatedClient(deps, c, assertionOf(body), false)
    await noteEnforced(deps, note, client, parseReport(beside ? body : await readReport(c)))
    return c.body(null, 204, NO_STORE)
  }
  endpoints.post('/revocations/enforced', described(REPORT, report))
  return endpoints
}

async function anchor(deps: Deps, c: Context, params: Params): Promise<Response> {
  await authenticatedClient(deps, c, params, false)
  const nonce = nonceOf(params)
  return c.json({ clock: deps.feed.clock, at_ms: deps.clock.elapsedMs(), nonce }, 200, NO_STORE)
}

/** Returns the random value of a request, which binds the answer to it. */
function nonceOf(params: Params): string {
  const nonce = params.get('nonce') ?? ''
  if (!NONCE.test(nonce))
    throw new OAuthError(
      'invalid_request',
      'The parameter nonce must be 16 to 64 random characters of A-Z a-z 0-9 _ -.',
    )
  return nonce
}

const authenticatedClient = async (
  deps: Deps,
  c: Context,
  params: Params,
  limited = true,
): Promise<Client> =>
  mustBeConfidential(await requestingClient(deps, c, params, { now: deps.clock.now(), limited }))

/** Answers about one session that an instance opened by an ID token. It counts as no activity. */
async function ownSession(deps: Deps, c: Context, params: Params): Promise<Response> {
  const client = await authenticatedClient(deps, c, params)
  const { clientId } = client
  mustBeWithin(deps.rateLimits, 'introspect', { clientId })
  // A clock that may be wrong ends no session at the instance.
  const now = deps.clockWatch.certainNow()
  const rev = params.get('rev')
  if (rev !== undefined && !/^\d{1,15}$/.test(rev))
    throw new OAuthError('invalid_request', 'The parameter rev must be a seq: digits only.')
  const found = await deps.store.checkOwnSession({
    sid: required(params, 'sid'),
    sub: required(params, 'sub'),
    clientId,
    audience: client.metadata.audience,
    now,
    rev: rev === undefined ? undefined : Number(rev),
  })
  const expiry = found === undefined ? 0 : endOf(found.session, client)
  const answer =
    found === undefined || expiry <= now
      ? { active: false }
      : { active: true, rev: found.rev, session_expiry: expiry }
  return c.json(answer, 200, NO_STORE)
}

/** Returns the query parameters. Rejects credentials in them, because URLs end up in logs. */
function queryOf(c: Context): Params {
  const params = readParams(new URL(c.req.url).searchParams)
  for (const name of ['client_assertion', 'client_secret'])
    if (params.has(name))
      throw new OAuthError('invalid_request', `Send ${name} by POST, in the body.`)
  return params
}

/** A guard that follows the log. */
interface Guard {
  client: Client
  guardId: string
  /** True if it judges the instance's own sessions too. */
  sessions: boolean
}

function stream(
  deps: Deps,
  guard: Guard,
  c: Context,
  params: Params,
  nonce: string | undefined,
): Response {
  const lastEventId = c.req.header('last-event-id') ?? params.get('last_event_id')
  // An event id of another format is treated as an unknown epoch: the answer is a reset.
  const after =
    lastEventId === undefined || lastEventId === ''
      ? undefined
      : (readEventId(lastEventId) ?? { epoch: '', seq: 0 })
  const outgoing = (c.env as { outgoing?: { destroy(): void } } | undefined)?.outgoing
  const drop = outgoing && ((): void => outgoing.destroy())
  const credentials = {
    authorization: c.req.header('authorization'),
    params,
    address: remoteOf(c, deps.config),
  }
  const isValid = (): Promise<boolean> =>
    stillAuthenticated(deps, guard.client, { ...credentials, now: deps.clock.now() })
  const body = deps.feed.open({
    ...guard,
    after,
    nonce,
    retiredKids: deps.keys.retiredKids(),
    drop,
    isValid,
  })
  return new Response(body, {
    headers: {
      ...NO_STORE,
      'Content-Type': 'text/event-stream; charset=utf-8',
      // Reverse proxies such as nginx must pass on each event at once.
      'X-Accel-Buffering': 'no',
      // With this header the response headers leave at once, not with the first bytes of the body.
      'Transfer-Encoding': 'chunked',
    },
  })
}

/**
 * A poll accepts a head that was read up to 500 ms before it, because each renewal is a commit on
 * Postgres.
 */
const KNOWN_BEFORE_MS = 500

async function snapshot(deps: Deps, guard: Guard, params: Params) {
  const { client, guardId, sessions } = guard
  const { clientId } = client
  const atMs = deps.clock.elapsedMs()
  deps.feed.lengthOf(clientId, atMs)
  const [after, epoch] = [params.get('after'), params.get('epoch')]
  if ((after === undefined) !== (epoch === undefined))
    throw new OAuthError('invalid_request', 'Send both parameters, after and epoch, or neither.')
  if (after !== undefined && !/^\d{1,15}$/.test(after))
    throw new OAuthError('invalid_request', 'The parameter after must be a seq: digits only.')
  // The rows and keys are read after the head, because the lease counts from the head.
  const { knownMs, stream } = await poller(deps, { ...guard, params, atMs })
  const head = await deps.store.head()
  const known = epoch === undefined || (epoch === head.epoch && Number(after) <= head.seq)
  const seq = Number(after)
  if (epoch !== undefined && isLost(deps.store, head, { epoch, seq }))
    noteLost(deps, { clientId, guardId, seq, head: head.seq })
  const position = known ? Number(after ?? 0) : 0
  const now = deps.clockWatch.certainNow()
  // Read before the entries: those that follow say themselves that their end is not known.
  const complete = sessions && { complete_from: await deps.store.sessionsKnownFrom() }
  const leave = await deps.feed.turn(clientId)
  const rows = await entriesAfter(deps, {
    after: position,
    since: now - ENTRY_SECONDS,
    limit: PAGE,
    sessionsOf: sessions ? { clientId, now } : undefined,
  }).finally(leave)
  const more = rows.length === PAGE
  const tenants = tenantsOf(deps, clientId, sessions)
  return {
    epoch: head.epoch,
    seq: Math.max(rows.at(-1)?.seq ?? 0, more ? 0 : head.seq),
    entries: entriesFor({ clientId, tenants, sessions }, rows),
    tenants,
    retired_kids: deps.keys.retiredKids(),
    reset: !known,
    more,
    stream,
    ...complete,
    ...(!more && {
      lease: {
        clock: deps.feed.clock,
        at_ms: atMs,
        known_ms: knownMs,
        seconds: deps.feed.lengthOf(client.clientId, knownMs),
      },
    }),
  }
}

interface Poll extends Guard {
  params: Params
  atMs: number
}

/** Returns the poller's name, and the time from which its next lease counts. */
async function poller({ feed, clock }: Deps, { client, guardId, sessions, params, atMs }: Poll) {
  const { clientId } = client
  const known = params.get('stream')
  const { knownMs } = await feed.known(atMs - KNOWN_BEFORE_MS)
  if (known !== undefined && (await feed.leases.resume({ clientId, stream: known, sessions })))
    return { knownMs, stream: known }
  const stream = feed.leases.name('poller', clientId)
  await feed.leases.open({ stream, clientId, guardId, sessions })
  return { stream, knownMs: (await feed.known(clock.elapsedMs())).knownMs }
}

type Report = z.output<typeof reportSchema>

const isJson = (c: Context): boolean =>
  (c.req.header('content-type') ?? '').startsWith('application/json')

async function readReport(c: Context): Promise<unknown> {
  if (!isJson(c))
    throw new OAuthError('invalid_request', 'Send the body as application/json.', { status: 415 })
  return parseJson(await readText(c, MAX_REPORT_BYTES))
}

/** Returns the members of a report that authenticate its sender (RFC 7523 §2.2). */
function assertionOf(body: unknown): Params {
  const params = new Map<string, string>()
  for (const name of ['client_assertion', 'client_assertion_type']) {
    const value =
      typeof body === 'object' && body !== null
        ? (body as Record<string, unknown>)[name]
        : undefined
    if (typeof value === 'string') params.set(name, value)
  }
  return params
}

function parseReport(body: unknown): Report {
  const read = reportSchema.safeParse(body)
  if (read.success) return read.data
  const wrong = [...new Set(read.error.issues.map(({ path }) => path.join('.')))]
    .filter((path) => /^[a-z_.]{1,50}$/.test(path))
    .join(', ')
  throw new OAuthError(
    'invalid_request',
    `Send an object with epoch, seq (a whole number) and guard (1 to 64 letters, digits, dots, dashes or underscores).${wrong === '' ? '' : ` Wrong: ${wrong}.`}`,
  )
}

async function noteEnforced(
  deps: Deps,
  note: (report: GuardReport) => Promise<void>,
  client: Client,
  report: Report,
): Promise<void> {
  const head = await deps.store.head()
  if (isLost(deps.store, head, report))
    noteLost(deps, {
      clientId: client.clientId,
      guardId: report.guard,
      seq: report.seq,
      head: head.seq,
    })
  if (report.epoch !== head.epoch || report.seq > head.seq)
    throw new OAuthError(
      'invalid_request',
      'This is not a position of this log. Connect to the feed again with it as Last-Event-ID: the answer is a reset.',
      { status: 409 },
    )
  const { clientId } = client
  await note({
    clientId,
    guardId: report.guard,
    epoch: report.epoch,
    enforcedSeq: report.seq,
    streams: report.streams,
    reportedAtMs: deps.clock.nowMs(),
    version: report.version,
    withoutLease: report.without_lease,
    leasesRunOut: report.lease_ran_out?.count,
    clockOffsetSeconds: report.clock_offset_seconds,
    clockDriftPpm: report.clock_drift_ppm,
    everySeconds: report.every_seconds,
    sessions: report.sessions,
  })
}

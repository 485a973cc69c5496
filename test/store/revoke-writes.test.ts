import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PgDialect } from 'drizzle-orm/pg-core'
import { expect, onTestFinished, test } from 'vitest'
import type { Act } from '../../db/engine/act.ts'
import { appendRevocation } from '../../db/revocation/revoke.ts'
import { createExecutor } from '../../db/sqlite/executor.ts'
import { openDatabase } from '../../db/sqlite/open.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { STREAM_EVENTS } from '../../src/protocol/stream-event.ts'
import { WEBHOOK_TYPES } from '../../src/protocol/webhook-types.ts'
import { readHere } from '../reads-here.ts'
import { bench, T0, TENANT } from './fixture.ts'

/**
 * A revocation writes and locks in one order. A writer that is left out changes nothing that a user
 * sees at first, and one in another place lets two brokers wait for each other, so both have to
 * fail here.
 */

const dialect = new PgDialect()
/**
 * The table that a statement writes, or what it locks, as Postgres has it. Undefined: it only
 * reads.
 */
function written(sql: string): string | undefined {
  const locked =
    /FOR UPDATE OF "(\w+)"/.exec(sql)?.[1] ??
    (sql.includes('pg_advisory_xact_lock(') ? 'joins' : undefined)
  return locked === undefined ? /^(?:INSERT INTO|UPDATE) "(\w+)"/.exec(sql)?.[1] : `lock ${locked}`
}

function* recorded<T>(act: Act<T>, into: string[]): Act<T> {
  let step = act.next()
  while (step.done !== true) {
    const { value } = step
    if (typeof value === 'object' && 'statement' in value)
      into.push(...[written(value.statement.render('postgres', dialect).sql) ?? []].flat())
    step = act.next(yield value)
  }
  return step.value
}

/**
 * Signs a user in at a client, with a webhook endpoint and a stream that want every event. Returns
 * what the revocation of a selector writes.
 */
async function writesOf(
  select: (session: { sid: string; sub: string }) => Selector,
): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'writes-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'broker.db')
  const b = await bench({
    open: async (nowMs) => openSqliteStore({ file, nowMs, startReader: readHere }),
    remove: () => undefined,
  })
  await b.store.putTenant({ tid: TENANT, mfaProof: 'amr', connectedAt: T0 })
  await b.client('sydney', { scopes: ['openid', 'ssf.read'] })
  const at = { createdAt: T0, updatedAt: T0 }
  await b.store.addWebhook({
    id: 'wh_1',
    url: 'https://hooks.example/',
    events: [...WEBHOOK_TYPES],
    include: [],
    secretSealed: 'sealed',
    state: 'enabled',
    position: 0,
    ...at,
  })
  await b.store.addStream({
    id: 'st_1',
    clientId: 'sydney',
    method: 'push',
    endpointUrl: 'https://events.example/',
    eventsRequested: [...STREAM_EVENTS],
    status: 'enabled',
    statusBy: 'receiver',
    verifiedAt: T0,
    ...at,
  })
  const { session } = await b.signIn()
  await b.exchange(session.sid, 'sydney', 'openid')
  await b.close()
  const { db, unlock } = openDatabase(file)
  const writes: string[] = []
  let ids = 0
  const sources = { nowMs: () => T0 * 1000, isCertain: () => false, newId: () => `id_${ids++}` }
  const entry = {
    selector: select(session),
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olivia' },
    now: T0,
  } as const
  createExecutor(db, sources, () => undefined).run(recorded(appendRevocation(entry), writes))
  db.close()
  unlock()
  return writes
}

const LOGOUT_TOKEN = ['deliveries', 'lock deliveries']
const FLOORS_OF_THE_HUMAN = ['floors', 'floors']
const ENTRY = ['lock chain_heads', 'chain_heads', 'revocations']
const WEBHOOK = ['webhook_endpoints', 'deliveries']
const SECURITY_EVENT = ['deliveries']
const COUNTS_OF_TWO = ['delivery_counts', 'delivery_counts']

test.each<[kind: string, select: Parameters<typeof writesOf>[0], writes: string[]]>([
  [
    'a session',
    ({ sid }) => ({ kind: 'session', sid }),
    [
      'log_head',
      'lock sessions',
      'sessions',
      'security_events',
      'session_entries',
      ...LOGOUT_TOKEN,
      ...FLOORS_OF_THE_HUMAN,
      ...ENTRY,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      'delivery_counts',
      'revocation_totals',
    ],
  ],
  [
    'a grant',
    ({ sid }) => ({ kind: 'grant', sid, clientId: 'sydney' }),
    [
      'log_head',
      'lock sessions',
      'participants',
      'security_events',
      'session_entries',
      ...LOGOUT_TOKEN,
      ...ENTRY,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      'delivery_counts',
      'revocation_totals',
    ],
  ],
  [
    'a user',
    ({ sub }) => ({ kind: 'subject', sub }),
    [
      'log_head',
      'cutoffs',
      'session_entries',
      ...FLOORS_OF_THE_HUMAN,
      ...ENTRY,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      ...COUNTS_OF_TWO,
    ],
  ],
  [
    'a client',
    () => ({ kind: 'client', clientId: 'sydney' }),
    [
      'lock joins',
      'log_head',
      'cutoffs',
      'session_entries',
      ...ENTRY,
      ...WEBHOOK,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      ...COUNTS_OF_TWO,
    ],
  ],
  [
    'a tenant',
    () => ({ kind: 'tenant', tid: TENANT }),
    [
      'log_head',
      'cutoffs',
      'session_entries',
      'floors',
      ...ENTRY,
      ...WEBHOOK,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      ...COUNTS_OF_TWO,
    ],
  ],
  [
    'everything',
    () => ({ kind: 'everything' }),
    [
      'log_head',
      'cutoffs',
      'session_entries',
      'floors',
      ...ENTRY,
      ...WEBHOOK,
      ...WEBHOOK,
      ...SECURITY_EVENT,
      ...COUNTS_OF_TWO,
    ],
  ],
])(
  'the revocation of %s writes all that it causes, in the order of locks',
  async (_kind, select, writes) => {
    expect(await writesOf(select)).toEqual(writes)
  },
)

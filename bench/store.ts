import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../db/sqlite/store.ts'
import type { Store } from '../db/store.ts'
import { metadataOf } from './client.ts'

/**
 * The cost of each act of the store on this machine, with every commit synced: `node bench/store.ts
 * [users]`. Prints a line an act, then JSON. The number of users is the number of sessions when one
 * of the users is revoked; it must not affect the time.
 */
const USERS = Number(process.argv[2] ?? 10_000)
const CLIENTS = 10
const NOW = 1_800_000_000
const random = () => randomBytes(16).toString('base64url')

const figures: Record<string, { perSecond: number; p50Ms: number; p99Ms: number }> = {}

/** Runs `act` `count` times, `at` of them at once, and records how long each took. */
async function measure(
  name: string,
  count: number,
  at: number,
  act: (n: number) => Promise<unknown>,
): Promise<void> {
  const took: number[] = []
  let next = 0
  const begun = performance.now()
  const line = async (): Promise<void> => {
    while (next < count) {
      const n = next++
      const from = performance.now()
      await act(n)
      took.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: at }, line))
  const seconds = (performance.now() - begun) / 1000
  took.sort((a, b) => a - b)
  const quantile = (q: number) => Number((took[Math.floor(took.length * q)] ?? 0).toFixed(2))
  const figure = {
    perSecond: Math.round(count / seconds),
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }
  figures[name] = figure
  console.log(
    `${name.padEnd(44)} ${String(figure.perSecond).padStart(8)}/s   p50 ${figure.p50Ms} ms   p99 ${figure.p99Ms} ms`,
  )
}

const signIn = (store: Store, n: number) =>
  store.signIn({
    session: {
      user: { tid: 't', oid: `oid-${n}`, name: `User ${n}` },
      authTime: NOW,
      visitStartedAt: NOW,
      idleSeconds: 28_800,
      absoluteAt: NOW + 43_200,
      roles: ['Case.Worker'],
      staySignedIn: false,
      device: 'Firefox on Windows',
      cookieHash: random(),
    },
    provenSeq: 0,
    ids: { sub: `u_${n}`, sid: `s_${n}` },
    now: NOW,
  })

async function exchange(store: Store, sid: string, clientId: string) {
  const code = {
    codeHash: random(),
    clientId,
    redirectUri: 'https://a.example/callback',
    scope: 'openid offline_access',
    audience: clientId,
  }
  await store.issueCode({ sid, code: { ...code, expiresAt: NOW + 60 }, now: NOW })
  const { codeHash, redirectUri } = code
  const done = await store.redeemAuthorizationCode({
    codeHash,
    clientId,
    redirectUri,
    verifier: undefined,
    familyId: random(),
    now: NOW,
  })
  if (done.outcome !== 'redeemed' || done.family === undefined)
    throw new Error(`The code was not redeemed: ${done.outcome}`)
  return done.family
}

const dir = mkdtempSync(join(tmpdir(), 'broker-bench-'))
const store = await openSqliteStore({ file: join(dir, 'broker.db') })
try {
  for (let i = 0; i < CLIENTS; i++)
    await store.putClient({
      clientId: `c${i}`,
      source: 'command',
      metadata: metadataOf(`c${i}`),
      now: NOW,
    })
  await measure('sign in, 32 at a time', USERS, 32, (n) => signIn(store, n))
  await measure('code issued and exchanged, 32 at a time', 5000, 32, (n) =>
    exchange(store, `s_${n % USERS}`, 'c0'),
  )

  const families = await Promise.all(
    Array.from({ length: 200 }, (_, n) => exchange(store, `s_${n}`, 'c1')),
  )
  const generation = families.map(() => 1)
  const refresh = async (n: number) => {
    const k = n % families.length
    const { familyId = '', clientId = '' } = families[k] ?? {}
    const answer = await store.rotateRefreshToken({
      familyId,
      clientId,
      generation: generation[k] ?? 1,
      now: NOW,
    })
    if ('family' in answer) generation[k] = answer.family.generation
    else throw new Error(`The token was not rotated: ${answer.outcome}`)
  }
  await measure('refresh, one at a time', 2000, 1, refresh)
  await measure('refresh, 32 at a time', 20_000, 32, refresh)
  const check = (n: number) =>
    store.checkAccess({
      sid: `s_${n % 1000}`,
      sub: `u_${n % 1000}`,
      clientId: 'c0',
      rev: 0,
      now: NOW,
      touch: true,
    })
  await measure('access checked', 50_000, 32, check)

  await measure('sessions revoked, one at a time', 500, 1, (n) =>
    store.revoke({
      selector: { kind: 'session', sid: `s_${n}` },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: NOW,
    }),
  )
  await measure(`one of ${USERS} users revoked, one at a time`, 500, 1, (n) =>
    store.revoke({
      selector: { kind: 'subject', sub: `u_${1000 + n}` },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'o' },
      now: NOW,
    }),
  )
  for (let n = 2000; n < Math.min(USERS, 4000); n++)
    await Promise.all(Array.from({ length: CLIENTS }, (_, i) => exchange(store, `s_${n}`, `c${i}`)))
  await store.revoke({
    selector: { kind: 'everything' },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'o' },
    now: NOW,
  })
  const begun = performance.now()
  let pending = 0
  let slowest = 0
  for (let more = true; more;) {
    const from = performance.now()
    const batch = await store.fanOutPending({ limit: 200 })
    slowest = Math.max(slowest, performance.now() - from)
    pending += batch.pending.length
    more = batch.more
  }
  const perSecond = Math.round(pending / ((performance.now() - begun) / 1000))
  console.log(
    `${'everything revoked: deliveries written'.padEnd(44)} ${String(perSecond).padStart(8)}/s   slowest batch ${slowest.toFixed(1)} ms`,
  )

  const due = (await store.listDeliveries({ state: 'pending', limit: 5000 })).map(
    ({ id, attempts }) => ({ id, attempt: attempts + 1 }),
  )
  await measure('delivery leased and recorded, 32 at a time', due.length, 32, async (n) => {
    const { id, attempt } = due[n] ?? { id: '', attempt: 1 }
    await store.leaseDelivery({ id, attempt, nowMs: Date.now(), untilMs: Date.now() + 30_000 })
    const result = {
      outcome: 'delivered',
      attempt: { attempt, atMs: Date.now(), outcome: 'delivered', status: 200, latencyMs: 5 },
    } as const
    await store.recordDelivery({ id, result })
  })
  console.log(
    JSON.stringify({
      users: USERS,
      ...figures,
      pending: { perSecond, slowestBatchMs: Number(slowest.toFixed(1)) },
    }),
  )
} finally {
  await store.close()
  rmSync(dir, { recursive: true, force: true })
}

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { adoptDatabase } from '../../db/postgres/adopt.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { StoreUnavailable } from '../../db/types.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import {
  BIN,
  createMigrated,
  HAS_STANDBY,
  sql,
  startPostgres,
  type PostgresServer,
} from '../postgres.ts'
import { follow } from '../revocation/event-stream.ts'
import { bench, type Bench } from '../store/fixture.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'

/**
 * Failover of a real Postgres under brokers that serve: an isolated primary, a promoted standby,
 * and one that lacks what was acknowledged.
 */

const LEAP = 2 ** 32
const OLIVIA = { kind: 'operator', id: 'olivia' } as const

const server = async (primary?: PostgresServer): Promise<PostgresServer> => {
  const started = await startPostgres({}, primary)
  onTestFinished(() => started.stop())
  return started
}

async function ask(
  of: PostgresServer,
  text: string,
  database = 'postgres',
): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: of.url(database) })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}
const streams = (primary: PostgresServer) => async (): Promise<number> =>
  (await ask(primary, 'SELECT 1 FROM pg_stat_replication')).length
const configure = async (of: PostgresServer, change: string): Promise<void> => {
  await sql(of.url('postgres'), change)
  await sql(of.url('postgres'), 'SELECT pg_reload_conf()')
}

/** Three names of servers; what is behind the third one comes later. */
async function cluster() {
  const primary = await server()
  await createMigrated(primary)
  const standby = await server(primary)
  await expect.poll(streams(primary)).toBe(1)
  await configure(primary, `ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
  const dir = mkdtempSync(join(tmpdir(), 'pg-third-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const third = join(dir, 'third')
  return {
    primary,
    standby,
    third,
    url: `postgres://postgres@/broker?host=${[primary.dir, standby.dir, third].map(encodeURIComponent).join(',')}`,
  }
}

const broker = (databaseUrl: string): Promise<Rig> =>
  createRig({ realTime: true, config: { databaseUrl } })
const stateAt = async (rig: Rig, sid: string): Promise<string> =>
  (await rig.store.statusBySid(sid, rig.clock.now())).state
const introspect = async (rig: Rig, client: RegisteredClient, token: string) =>
  (await rig.post('/introspect', { token }, { authorization: client.basic })).status
const refresh = async (rig: Rig, client: RegisteredClient, token = '') =>
  (
    await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token: token },
      { authorization: client.basic },
    )
  ).status

/** Revokes a session, and repeats what was answered with 503, as an operator does. */
async function revokeSession(rig: Rig, sid: string): Promise<void> {
  for (;;) {
    try {
      await requestRevocation(rig.deps, {
        selector: { kind: 'session', sid },
        reason: 'administrator',
        actor: OLIVIA,
        now: rig.clock.now(),
      })
      return
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
    }
  }
}

test.skipIf(!HAS_STANDBY)(
  'brokers follow the log to a promoted standby, and find out what one lacks',
  { timeout: 240_000 },
  async () => {
    const { primary, standby, third, url } = await cluster()
    const [a, b, isolated] = [
      await broker(url),
      await broker(url),
      await broker(primary.url('broker')),
    ]
    const client = await a.register('Sydney')
    for (const rig of [b, isolated])
      await expect.poll(() => rig.clients.find(client.clientId)).toBeDefined()
    const signedIn = async (rig: Rig) => {
      const { session } = await rig.openSession()
      return { sid: session.sid, ...(await rig.signInAt(session.sid, client)) }
    }
    const [alice, bob] = [await signedIn(a), await signedIn(a)]
    const others: string[] = []
    while (others.length < 100) others.push((await a.openSession()).session.sid)
    const guard = await follow(`${await isolated.serve()}/revocations`, {
      authorization: client.basic,
    })
    await guard.until('live')
    const before = await a.store.head()

    // The standby takes over; the primary goes on, alone. Operators revoke at both brokers
    // meanwhile, and keep retrying.
    const half = others.length / 2
    const all = (rig: Rig, sids: string[]) =>
      sids.reduce(async (done, sid) => (await done, revokeSession(rig, sid)), Promise.resolve())
    const revoking = [all(a, others.slice(0, half)), all(b, others.slice(half))]
    await expect
      .poll(
        async () => (await ask(primary, 'SELECT seq FROM broker.log_head', 'broker'))[0]?.['seq'],
      )
      .not.toBe(String(before.seq))
    await ask(standby, 'SELECT pg_promote()')
    expect((await guard.until('end')).data).toEqual({ why: 'unconfirmed' })
    await Promise.all(revoking)

    const head = await a.store.head()
    expect([head.epoch, head.seq > LEAP]).toEqual([before.epoch, true])
    for (const rig of [a, b])
      expect(new Set(await Promise.all(others.map((sid) => stateAt(rig, sid))))).toEqual(
        new Set(['ended']),
      )
    expect([
      await introspect(a, client, alice.access_token),
      await refresh(b, client, alice.refresh_token),
    ]).toEqual([200, 200])
    await revokeSession(a, alice.sid)
    // The former primary answers its broker; the broker does not pass that on.
    const [row] = await ask(
      primary,
      `SELECT ended_seq FROM broker.sessions WHERE sid = '${alice.sid}'`,
      'broker',
    )
    expect(row).toEqual({ ended_seq: null })
    expect(await introspect(isolated, client, alice.access_token)).toBe(503)
    expect([await introspect(b, client, alice.access_token), await stateAt(b, alice.sid)]).toEqual([
      200,
      'ended',
    ])
    expect(a.lines.join('\n')).toContain('log_continued')
    await primary.kill()

    // An asynchronous standby that lacks the last revocation.
    const late = await server(standby)
    symlinkSync(late.dir, third)
    await expect.poll(streams(standby)).toBe(1)
    await configure(late, `ALTER SYSTEM SET primary_conninfo = ''`)
    await expect.poll(streams(standby)).toBe(0)
    const carol = await signedIn(b)
    const kids = a.keys.jwks().keys.map((key) => key['kid'])
    await revokeSession(a, bob.sid)
    await standby.kill()
    await ask(late, 'SELECT pg_promote()')
    for (const rig of [a, b])
      await expect
        .poll(() => stateAt(rig, bob.sid).catch(() => 'unavailable'), { timeout: 60_000 })
        .toBe('ended')
    expect((await a.store.head()).epoch).not.toBe(before.epoch)
    expect([a, b].filter((rig) => rig.lines.join('\n').includes('"log_lost"'))).not.toEqual([])
    for (const rig of [a, b]) {
      // Carol signed in after what the standby has, so that nothing knows her session any more.
      expect(await refresh(rig, client, carol.refresh_token)).toBe(400)
      await expect
        .poll(() => rig.keys.jwks().keys.map((key) => kids.includes(key['kid'])))
        .toContain(false)
      expect(rig.keys.jwks().keys.filter((key) => kids.includes(key['kid']))).toEqual([])
    }
    const again = await signedIn(a)
    expect(await refresh(b, client, again.refresh_token)).toBe(200)
  },
)

test.skipIf(!HAS_STANDBY)(
  'a recovered and a loaded database are rejected until they are adopted',
  { timeout: 240_000 },
  async () => {
    const primary = await server()
    await createMigrated(primary)
    const dir = mkdtempSync(join(tmpdir(), 'pg-marks-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const mark = join(dir, 'postgres')
    const open = async (of: PostgresServer): Promise<Bench> => {
      const store = await bench({
        open: (nowMs) => openPostgresStore({ url: of.url('broker'), nowMs, mark }),
        remove: () => undefined,
      })
      onTestFinished(() => store.close())
      return store
    }
    const adopt = (of: PostgresServer, nothingLost: boolean) =>
      adoptDatabase({ url: of.url('broker'), actor: OLIVIA, nowMs: Date.now, nothingLost, mark })

    // A copy of the server as it was before Alice's session was revoked, which is recovered later.
    const before = await open(primary)
    const [alice, bob] = [
      (await before.signIn('alice')).session,
      (await before.signIn('bob')).session,
    ]
    await before.revoke({ kind: 'session', sid: bob.sid })
    const recovered = await server(primary)
    await expect.poll(streams(primary)).toBe(1)
    await configure(recovered, `ALTER SYSTEM SET primary_conninfo = ''`)
    await expect.poll(streams(primary)).toBe(0)
    await before.revoke({ kind: 'session', sid: alice.sid })
    const head = await before.store.head()
    await before.close()
    const dump = spawnSync(
      join(BIN ?? '', 'pg_dump'),
      ['-n', 'broker', '-d', primary.url('broker')],
      { maxBuffer: 2 ** 26 },
    )
    expect([dump.status, dump.stderr.toString()]).toEqual([0, ''])
    await primary.kill()

    await ask(recovered, 'SELECT pg_promote()')
    await expect(open(recovered)).rejects.toThrow(
      /recovered, or a standby was promoted, while no broker was running.+cmb restore --adopt/,
    )
    await expect(adopt(recovered, true)).rejects.toThrow(
      `Revocations are missing: the log ends at ${head.seq - 1}`,
    )
    const adopted = await adopt(recovered, false)
    const after = await open(recovered)
    for (const { sid } of [alice, bob])
      expect((await after.store.statusBySid(sid, after.now)).state).toBe('ended')
    expect(await after.store.head()).toEqual({ epoch: adopted.epoch, seq: adopted.seq })

    const loaded = await server()
    await sql(loaded.url('postgres'), 'CREATE DATABASE broker')
    const psql = spawnSync(
      join(BIN ?? '', 'psql'),
      ['-q', '-v', 'ON_ERROR_STOP=1', '-d', loaded.url('broker')],
      { input: dump.stdout },
    )
    expect([psql.status, psql.stderr.toString()]).toEqual([0, ''])
    await expect(open(loaded)).rejects.toThrow('copied or loaded into another Postgres server')
    rmSync(`${mark}.mark`)
    const kept = await adopt(loaded, true)
    expect(kept).toMatchObject({ epoch: head.epoch, seq: head.seq + LEAP })
    expect((await (await open(loaded)).store.head()).seq).toBe(kept.seq)
  },
)

import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'

/**
 * The broker answers correctly while Postgres, or the network to it, fails, and continues by
 * itself.
 */

/** The way to a server, as a network has it: it can be cut when a COMMIT has been passed on. */
async function wayTo(url: string) {
  const { searchParams } = new URL(url.replace('@/', '@localhost/'))
  const path = join(searchParams.get('host') ?? '', '.s.PGSQL.5432')
  const sockets = new Set<Socket>()
  let losing = false
  const server = createServer((client) => {
    const behind = connect(path)
    for (const [first, second] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(first)
      first.on('error', () => undefined)
      first.on('close', () => (sockets.delete(first), second.destroy()))
    }
    client.on('data', (bytes) => {
      const lost = losing && bytes.includes('COMMIT\0')
      if (lost) losing = false
      behind.write(bytes)
      // Postgres has committed when it answers; the answer is lost.
      if (lost) behind.removeAllListeners('data').once('data', () => client.destroy())
    })
    behind.on('data', (bytes) => void client.write(bytes))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: url.replace('@/', `@127.0.0.1:${port}/`).replace(/\?.*/, ''),
    loseNextCommit: () => void (losing = true),
  }
}

describe.skipIf(!HAS_POSTGRES)('a broker whose Postgres fails', () => {
  let rig: Rig
  let url: string
  let way: Awaited<ReturnType<typeof wayTo>>
  let client: RegisteredClient
  let sid: string
  let tokens: Awaited<ReturnType<Rig['signInAt']>>
  beforeEach(async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    url = database.url
    way = await wayTo(url)
    rig = await createRig({ realTime: true, config: { databaseUrl: way.url } })
    client = await rig.register('Sydney')
    ;({ sid } = (await rig.openSession()).session)
    tokens = await rig.signInAt(sid, client)
  })

  const status = async (path: string, form: Record<string, string>) =>
    (await rig.post(path, form, { authorization: client.basic })).status
  const introspect = () => status('/introspect', { token: tokens.access_token })
  const revoke = () => status('/revoke', { token: tokens.access_token })
  const refresh = async (): Promise<number> => {
    const answer = await rig.post(
      '/token',
      { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' },
      { authorization: client.basic },
    )
    if (answer.status === 200) tokens = (await answer.json()) as typeof tokens
    return answer.status
  }
  const name = () => new URL(way.url).pathname.slice(1)
  const onServer = (statement: string) => sql(url.replace(`/${name()}?`, '/postgres?'), statement)

  test('an answer to COMMIT that is lost is 503; repeated, the revocation is there once', async () => {
    way.loseNextCommit()
    expect(await revoke()).toBe(503)
    await expect.poll(revoke).toBe(200)
    expect(await rig.store.listRevocations({ limit: 10 })).toHaveLength(1)
    expect((await rig.store.head()).seq).toBe(1)
  })

  test('on a primary that has become read-only everything is 503, until it can write again', async () => {
    await onServer(`ALTER DATABASE ${name()} SET default_transaction_read_only = on`)
    await onServer(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name()}'`,
    )
    await expect.poll(introspect).toBe(503)
    expect([await revoke(), await refresh()]).toEqual([503, 503])
    expect((await rig.opsApp.request('/readyz')).status).toBe(503)
    await onServer(`ALTER DATABASE ${name()} RESET default_transaction_read_only`)
    await expect.poll(introspect).toBe(200)
    expect([await refresh(), await revoke()]).toEqual([200, 200])
  })

  test('on a full disk a revocation is 503 and not half done', async () => {
    await sql(
      url,
      `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
       CREATE TRIGGER full_disk BEFORE INSERT ON broker.revocations EXECUTE FUNCTION full_disk()`,
    )
    expect(await revoke()).toBe(503)
    expect([
      (await rig.store.head()).seq,
      (await rig.store.statusBySid(sid, rig.clock.now())).state,
      await refresh(),
    ]).toEqual([0, 'live', 200])
    await sql(url, 'DROP TRIGGER full_disk ON broker.revocations')
    expect(await revoke()).toBe(200)
  })

  test('a number that only a former primary issued is an alarm, and its guard goes on', async () => {
    await rig.store.revoke({
      selector: { kind: 'session', sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now: rig.clock.now(),
    })
    const { epoch, seq } = await rig.store.head()
    // The state after a takeover of a server that ended at `seq`.
    await sql(
      url,
      `INSERT INTO broker.lineage (system_identifier, timeline, epoch, after_seq, from_seq, why, at_ms)
        SELECT system_identifier, timeline, epoch, ${seq}, ${seq + 1000}, 'promoted', 0 FROM broker.lineage;
       UPDATE broker.log_head SET seq = ${seq + 1000}`,
    )
    const after = await createRig({ realTime: true, config: { databaseUrl: url } })
    const at = (position: number) =>
      after.app.request(`${after.config.issuer}/revocations?epoch=${epoch}&after=${position}`, {
        headers: { authorization: client.basic },
      })
    expect(await (await at(seq)).json()).toMatchObject({ reset: false })
    expect(after.lines.join('\n')).not.toContain('guard_ahead_of_log')
    expect(await (await at(seq + 7)).json()).toMatchObject({ reset: false, seq: seq + 1000 })
    expect(after.lines.join('\n')).toMatch(/"event":"guard_ahead_of_log".*"seq":8,/)
  })
})

import { moment } from '../../src/operations/times.ts'
import { hostname } from 'node:os'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { CHECKS } from '../../src/operations/checks/list.ts'
import { openClientRegistry } from '../../src/clients/registry.ts'
import { version } from '../../src/runtime/version.ts'
import { receiptOf } from '../../src/revocation/receipt.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { startCmb } from '../command/cmb.ts'
import { atConsole } from '../console/console.ts'
import {
  createDatabase,
  createMigrated,
  HAS_POSTGRES,
  startPostgres,
  sql,
  type PostgresServer,
} from '../postgres.ts'
import { follow } from '../revocation/event-stream.ts'
import { startWorkers } from '../../workers/start.ts'
import {
  createRig,
  OTHER_TENANT,
  TENANT,
  type RegisteredClient,
  type Rig,
  type RigOptions,
} from '../rig.ts'

const OLIVIA = { kind: 'operator', id: 'olivia' } as const

/** Starts two brokers of one database with the same secret, as behind a load balancer. */
async function twoBrokers(options: RigOptions = {}, url?: string): Promise<{ a: Rig; b: Rig }> {
  let databaseUrl = url
  if (databaseUrl === undefined) {
    const database = await createDatabase()
    // Registered first, so that it runs last: after the brokers have let go of their connections.
    onTestFinished(() => database.drop())
    databaseUrl = database.url
  }
  const config = { ...options.config, databaseUrl }
  return { a: await createRig({ ...options, config }), b: await createRig({ ...options, config }) }
}

/** Registers a client at A and waits until B knows it. */
async function registered(a: Rig, b: Rig, city = 'Sydney'): Promise<RegisteredClient> {
  const client = await a.register(city)
  await expect.poll(() => b.clients.find(client.clientId)).toBeDefined()
  return client
}

const refresh = (rig: Rig, client: RegisteredClient, token: string | undefined) =>
  rig.post(
    '/token',
    { grant_type: 'refresh_token', refresh_token: token ?? '' },
    { authorization: client.basic },
  )

const revokeSession = (rig: Rig, sid: string) =>
  requestRevocation(rig.deps, {
    selector: { kind: 'session', sid },
    reason: 'administrator',
    actor: OLIVIA,
    now: rig.clock.now(),
  })

const revokedBy = (answer: Awaited<ReturnType<typeof revokeSession>>) => {
  if (answer.outcome !== 'revoked') throw new Error(answer.outcome)
  return answer.committed.revocation
}

describe.skipIf(!HAS_POSTGRES)('two brokers on one Postgres', () => {
  test('a session that signed in at one refreshes at the other; revoked at one, it is rejected at the other at once', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    const { session } = await a.openSession()
    const first = await a.signInAt(session.sid, client)
    const second = await refresh(b, client, first.refresh_token)
    expect(second.status).toBe(200)
    const { refresh_token: token, access_token: access } = (await second.json()) as {
      refresh_token: string
      access_token: string
    }
    await revokeSession(a, session.sid)
    const rejected = await refresh(b, client, token)
    expect([rejected.status, ((await rejected.json()) as { error: string }).error]).toEqual([
      400,
      'invalid_grant',
    ])
    const introspected = await b.post(
      '/introspect',
      { token: access },
      { authorization: client.basic },
    )
    expect(await introspected.json()).toEqual({ active: false })
  })

  test('of the same refresh token at both at once, both get the same successor', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    const { session } = await a.openSession()
    let { refresh_token: token } = await a.signInAt(session.sid, client)
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(
        [a, b, a, b].map(async (rig) => refresh(rig, client, token)),
      )
      const tokens = await Promise.all(
        answers.map(
          async (answer) => ((await answer.json()) as { refresh_token: string }).refresh_token,
        ),
      )
      expect(new Set(tokens).size).toBe(1)
      token = tokens[0]
    }
    expect((await a.store.statusBySid(session.sid, a.clock.now())).state).toBe('live')
  })

  test('a guard at one broker gets a revocation of the other, and resumes at either without a gap', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    const at = { a: await a.serve(), b: await b.serve() }
    const authorization = client.basic
    const guard = await follow(`${at.b}/revocations`, { authorization })
    await guard.until('live')
    const { session } = await a.openSession()
    await revokeSession(a, session.sid)
    const told = await guard.until('revocation')
    expect(told.data).toMatchObject({ seq: 1, selector: { kind: 'session', sid: session.sid } })
    guard.close()
    await revokeSession(b, (await b.openSession()).session.sid)
    const resumed = await follow(`${at.a}/revocations`, {
      authorization,
      'last-event-id': told.id ?? '',
    })
    await resumed.until('live')
    expect(
      resumed.events
        .filter(({ event }) => event === 'revocation' || event === 'snapshot')
        .flatMap(({ data }) => data['seq'] ?? []),
    ).toContain(2)
    expect(resumed.names()).not.toContain('reset')
  })

  test('a tenant that is added to a client at one: the other sends its entries to the client at once, and names it in the receipt', async () => {
    const { a, b } = await twoBrokers()
    const client = await a.register('Sydney', { tenants: [TENANT] })
    const addTenant = () =>
      a.store.putClient({
        clientId: client.clientId,
        source: 'command',
        now: a.clock.now(),
        metadata: { ...client.metadata, tenants: [TENANT, OTHER_TENANT] },
      })
    await expect.poll(() => b.clients.find(client.clientId)?.metadata.tenants).toEqual([TENANT])
    // The renewals of B seem to find the changed registration later than its entries.
    b.clients.reload = async () => undefined
    const { session } = await a.openSession({ user: { tid: OTHER_TENANT, oid: 'bob' } })
    const headers = { authorization: client.basic }
    const url = `${await b.serve()}/revocations`
    const guard = await follow(url, headers)
    await guard.until('live')
    await addTenant()
    await a.clients.reload()
    await a.signInAt(session.sid, client)
    const { seq } = revokedBy(await revokeSession(a, session.sid))
    const polled = await fetch(url, { headers })
    const { entries } = (await polled.json()) as { entries: { seq: number }[] }
    expect(entries.map((entry) => entry.seq)).toContain(seq)
    const receipt = await receiptOf(b.deps, seq)
    expect(receipt?.participants.map(({ clientId }) => clientId)).toEqual([client.clientId])
    const passed = await vi.waitFor(() => {
      const found = guard.events.find(
        ({ data }) => data['seq'] === seq && data['epoch'] === undefined,
      )
      if (found === undefined) throw new Error(guard.names().join(' '))
      return found.event
    })
    expect(passed).toBe('revocation')
  })

  test('a client that is removed at one is rejected at the other at once, and then leaves the registry of the other', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    const { session } = await a.openSession()
    const tokens = await a.signInAt(session.sid, client)
    await a.store.removeClient({
      clientId: client.clientId,
      source: 'any',
      actor: OLIVIA,
      now: a.clock.now(),
    })
    // B has not reloaded the client: its registry may still hold it.
    expect((await refresh(b, client, tokens.refresh_token)).status).toBeGreaterThanOrEqual(400)
    await expect.poll(() => b.clients.find(client.clientId), { timeout: 20_000 }).toBeUndefined()
  })

  test('what one registers while the other starts, after that one has read the clients, becomes known there all the same', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const config = { databaseUrl: database.url }
    const a = await createRig({ config })
    const store = await openPostgresStore({ url: database.url })
    onTestFinished(() => store.close())
    const clients = await openClientRegistry(store)
    const client = await a.register('Sydney')
    const registeredMs = Date.now()
    await expect
      .poll(async () => (await store.brokers()).some(({ seenAtMs }) => seenAtMs > registeredMs))
      .toBe(true)
    const b = await createRig({ config, deps: { store, clients } })
    await expect.poll(() => b.clients.find(client.clientId)).toBeDefined()
  })

  test('a wide revocation at one that does no work wakes the one that writes its deliveries', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    const { session } = await a.openSession()
    await a.signInAt(session.sid, client)
    const [first, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const fanOutPending: typeof b.store.fanOutPending = async (page) => {
      const batch = await b.store.fanOutPending(page)
      if (batch.pending.length > 0) written.resolve()
      else first.resolve()
      return batch
    }
    // No interval of the workers passes, so that they only work when they are woken.
    vi.useFakeTimers({ toFake: ['setInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const workers = await startWorkers({
      ...b.deps,
      config: { ...b.config, work: ['deliveries'] },
      store: { ...b.store, fanOutPending },
    })
    vi.useRealTimers()
    onTestFinished(() => workers.drain())
    await first.promise
    const selector = { kind: 'subject', sub: session.sub } as const
    await requestRevocation(a.deps, {
      selector,
      reason: 'administrator',
      actor: OLIVIA,
      now: a.clock.now(),
    })
    await written.promise
  })

  test('a change that could not be read is read again until it can be; the log says once that it could not', async () => {
    const { a } = await twoBrokers()
    const registry = await openClientRegistry(a.store)
    let failures = 3
    const reload = async (): Promise<void> => {
      if (failures-- > 0) throw new Error('The connection ended.')
      return registry.reload()
    }
    const b = await createRig({ config: a.config, deps: { clients: { ...registry, reload } } })
    const client = await a.register('Sydney')
    await expect.poll(() => b.clients.find(client.clientId)).toBeDefined()
    expect(failures).toBeLessThan(0)
    expect(b.lines.filter((line) => line.includes('registry_not_reloaded'))).toHaveLength(1)
  })

  test('keys: both publish the same; after an emergency at one, the other signs with the new key and sends it to its guards', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    expect(a.keys.jwks()).toEqual(b.keys.jwks())
    const guard = await follow(`${await b.serve()}/revocations`, { authorization: client.basic })
    await guard.until('live')
    const made = await a.keys.rotate('ES256', 'emergency', a.clock.now())
    const retired = a.keys.retiredKids()
    expect(retired).toHaveLength(1)
    expect((await guard.until('keys')).data).toEqual({ jwks: 'changed', retired_kids: retired })
    expect(b.keys.jwks().keys.map((key) => key['kid'])).toContain(made.kid)
  })

  test('a revocation of everything is written out once, whichever broker does it', async () => {
    const { a, b } = await twoBrokers()
    const client = await registered(a, b)
    for (let i = 0; i < 12; i++) await a.signInAt((await a.openSession()).session.sid, client)
    await requestRevocation(a.deps, {
      selector: { kind: 'everything' },
      reason: 'administrator',
      actor: OLIVIA,
      now: a.clock.now(),
    })
    const write = async (rig: Rig): Promise<void> => {
      while ((await rig.store.fanOutPending({ limit: 3 })).more);
    }
    await Promise.all([write(a), write(b)])
    expect(await a.store.deliveryCounts()).toMatchObject([
      { clientId: client.clientId, state: 'pending', count: 12 },
    ])
  })

  test('each broker is listed with its version and heartbeat, and is gone when it ends', async () => {
    const { a, b } = await twoBrokers()
    await expect.poll(() => b.store.brokers()).toHaveLength(2)
    const [broker] = await a.store.brokers()
    expect(broker).toMatchObject({
      version: expect.any(String) as string,
      host: expect.any(String) as string,
    })
  })

  test('the brokers that run are listed, however many others were killed', async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const { a, b } = await twoBrokers({}, database.url)
    await sql(
      database.url,
      `INSERT INTO broker.processes (id, kind, work, host, version, started_at_ms, seen_at_ms)
        SELECT 'killed-' || n, 'broker', 'all', 'here:1', '1.0.0', ${a.clock.nowMs() - 86_400_000} + n, ${a.clock.nowMs() - 86_400_000} + n
        FROM generate_series(1, 1000) AS n`,
    )
    const ids = (await a.store.brokers()).map(({ id }) => id)
    expect(ids).toEqual(expect.arrayContaining([a.store.processId, b.store.processId]))
  })

  test('work that neither broker does, nor a worker, is a failed check that names it; a worker that does it ends the failure', async () => {
    const { a } = await twoBrokers({
      config: { work: ['deliveries', 'probe', 'microsoft', 'expiry'] },
    })
    const check = async () =>
      (
        await createChecks(
          a.deps,
          CHECKS.filter(({ id }) => id === 'work'),
        ).look({ fresh: true })
      )[0]
    expect(await check()).toMatchObject({
      state: 'failed',
      found: 'No broker and no worker does: housekeeping, keys.',
    })
    await createRig({
      config: { databaseUrl: a.config.databaseUrl, kind: 'worker', work: ['housekeeping', 'keys'] },
    })
    await expect.poll(check).toMatchObject({ state: 'ok' })
    expect((await a.store.brokers()).map(({ kind, work }) => `${kind} ${work}`).sort()).toEqual([
      'broker deliveries,probe,microsoft,expiry',
      'broker deliveries,probe,microsoft,expiry',
      'worker housekeeping,keys',
    ])
  })

  test('a broker that ends without goodbye is a problem by its name, until it is hidden or back', async () => {
    const { a } = await twoBrokers()
    const { type } = await startCmb(a)
    const nowMs = a.clock.nowMs()
    const heard = (id: string, startedAtMs: number, seenAtMs: number) =>
      sql(
        a.config.databaseUrl ?? '',
        `INSERT INTO broker.processes (id, kind, host, version, work, started_at_ms, seen_at_ms)
          VALUES ('${id}', 'broker', 'b.example:7400', '1', 'all', ${startedAtMs}, ${seenAtMs})`,
      )
    const found = `The broker on b.example:7400 has sent no heartbeat since ${moment(nowMs - 60_000)}. 2 of 3 brokers are left and serve everyone; if they fail too, nobody can sign in or out.`
    await heard('killed', nowMs - 90_000, nowMs - 60_000)
    const status = (await type(['status'])).out
    expect(status).toMatch(/^Act today .*b\.example/m)
    expect(status).toContain(found)
    expect(status).toMatch(/b\.example:7400 .* yes /)
    const olga = await atConsole(a, 'operator')
    const page = await olga.get('/ops')
    expect(page.text).toMatch(/b\.example:7400 broker 1 missing since/)
    const [, id = ''] = /\((p_[\w-]{8})\): The broker on b\.example/.exec(status) ?? []
    const hiding = page.forms.find(
      ({ action, fields }) => action.endsWith('/ops/problems/hide') && fields.id === id,
    )
    expect((await olga.post('/ops/problems/hide', hiding?.fields ?? {})).text).toMatch(
      /Hidden for 30 days.* 1 hidden act today The broker on b\.example/,
    )
    expect(await (await a.opsApp.request('/metrics')).text()).toContain(
      'broker_check_findings{check="brokers",state="warning"} 0',
    )
    expect((await type(['status'])).out).toMatch(/^Hidden until .* by Olga Operator .*b\.example/m)
    await heard('back', nowMs - 30_000, nowMs)
    expect((await type(['status'])).out).not.toContain(found)
  })

  test('cmb status and the console list the brokers of the store, each with its version and the age of its heartbeat', async () => {
    const { a, b } = await twoBrokers()
    await expect.poll(() => b.store.brokers()).toHaveLength(2)
    const { type } = await startCmb(b)
    const { brokers } = (await type(['status', '--json'])).json<{
      brokers: Record<string, unknown>[]
    }>()
    const [first] = await a.store.brokers()
    expect(brokers).toHaveLength(2)
    expect(brokers[0]).toEqual({
      id: first?.id,
      kind: 'broker',
      work: 'all',
      host: expect.stringMatching(`^${hostname()}:\\d+$`) as string,
      missing: false,
      version: version(),
      started_at_ms: first?.startedAtMs,
      seen_at_ms: expect.any(Number) as number,
      heartbeat_age_ms: expect.any(Number) as number,
    })
    const rows = (await type(['status'])).out
      .split('\n')
      .filter((line) => line.startsWith(hostname()) && line.includes(version()))
    expect(rows).toHaveLength(2)
    const olga = await atConsole(b, 'operator')
    const page = (await olga.get('/ops')).text
    expect(page.match(new RegExp(`${hostname()}:\\d+ broker ${version()}`, 'g'))).toHaveLength(2)
  })
})

const configure = async (server: PostgresServer, change: string): Promise<void> => {
  await sql(server.url('postgres'), change)
  await sql(server.url('postgres'), 'SELECT pg_reload_conf()')
}

describe.skipIf(!HAS_POSTGRES)('a broker whose Postgres confirms nothing', () => {
  let server: PostgresServer | undefined
  afterEach(async () => {
    await server?.stop()
    server = undefined
  })

  test('answers 503, and keeps no guard fresh; it goes on by itself when Postgres does', async () => {
    server = await startPostgres()
    const rig = await createRig({
      realTime: true,
      config: { databaseUrl: await createMigrated(server) },
    })
    const client = await rig.register('Sydney')
    const { session } = await rig.openSession()
    const { access_token: token } = await rig.signInAt(session.sid, client)
    const introspect = async () =>
      (await rig.post('/introspect', { token }, { authorization: client.basic })).status
    expect(await introspect()).toBe(200)
    const guard = await follow(`${await rig.serve()}/revocations`, { authorization: client.basic })
    await guard.until('live')

    // No standby has that name, so that each COMMIT waits, as on a primary that was cut off from
    // its standby.
    await configure(server, `ALTER SYSTEM SET synchronous_standby_names = 'gone'`)
    expect((await guard.until('end')).data).toEqual({ why: 'unconfirmed' })
    await expect.poll(introspect, { timeout: 20_000 }).toBe(503)
    expect((await rig.post('/revoke', { token }, { authorization: client.basic })).status).toBe(503)
    await configure(server, 'ALTER SYSTEM RESET synchronous_standby_names')
    await expect.poll(introspect).toBe(200)
  })
})

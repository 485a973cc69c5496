import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { adoptDatabase } from '../../db/postgres/adopt.ts'
import { Connections, serverOf } from '../../db/postgres/connections.ts'
import { LogFollower, type FollowerOptions } from '../../db/postgres/follower.ts'
import { classifyServer, wasLost } from '../../db/postgres/lineage.ts'
import { addressesOf, Servers } from '../../db/postgres/servers.ts'
import { openPostgresStore } from '../../db/postgres/store.ts'
import { StoreUnavailable, type Committed, type Elsewhere } from '../../db/types.ts'
import { Line } from '../line.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'
import { bench, type Bench } from './fixture.ts'

/**
 * The log on another server, or on an earlier state of its database: taken over, adopted, or
 * rejected.
 */

const LEAP = 2 ** 32
const OLGA = { kind: 'operator', id: 'olga' } as const

describe('what a broker that serves has met', () => {
  const here = { systemIdentifier: '7', timeline: '00000002' }
  const former = { ...here, timeline: '00000001', epoch: 'e', afterSeq: 0, fromSeq: 0 }
  const continued = (afterSeq: number) => ({
    ...here,
    epoch: 'e',
    afterSeq,
    fromSeq: afterSeq + LEAP,
  })

  test('the first broker on a later timeline goes on only with a head that reaches what was acknowledged; the others find out what it lacked', () => {
    const numbers = fc.array(fc.nat(20), { minLength: 1, maxLength: 5 })
    const property = fc.property(fc.nat(20), numbers, (end, [first = 0, ...others]) => {
      const met = { server: here, head: { epoch: 'e', seq: end }, hashAt: null }
      const verdict = classifyServer({
        ...met,
        entries: [former],
        reached: { epoch: 'e', seq: first },
      })
      expect(verdict).toBe(first <= end ? 'continue' : 'lost')
      for (const seq of others) {
        const next = classifyServer({
          server: here,
          hashAt: null,
          head: { epoch: 'e', seq: end + LEAP },
          entries: [continued(end), former],
          reached: { epoch: 'e', seq },
        })
        expect(next).toBe(seq <= end ? 'taken' : 'lost')
      }
      // New numbers are ahead of every number that the former server can have issued.
      expect(wasLost([continued(end)], { epoch: 'e', seq: end + LEAP + 1 })).toBe(false)
    })
    fc.assert(property)
  })

  test('another database system is never taken over, and a log of another epoch counts as lost', () => {
    const head = { epoch: 'e', seq: 5 }
    const other = { ...here, systemIdentifier: '8' }
    const met = { server: here, entries: [former], head, hashAt: null }
    expect(classifyServer({ ...met, server: other, reached: head })).toBe('foreign')
    expect(classifyServer({ ...met, reached: { epoch: 'later', seq: 1 } })).toBe('lost')
    // Seen with less of the log, it stays lost whatever is appended there.
    const own = { ...met, entries: [continued(5)], reached: head }
    expect(classifyServer({ ...own, behind: true })).toBe('lost')
    expect(classifyServer({ ...own, behind: false })).toBe('taken')
    expect(
      classifyServer({
        ...met,
        entries: [{ ...continued(5), epoch: 'later' }],
        reached: head,
      }),
    ).toBe('taken')
  })
})

describe('what a broker knows of the log', () => {
  /** Follows a log from number 5 on, whose hash is not known yet: version 1.0.0-rc.2 kept none. */
  const following = () => {
    const rejected: string[] = []
    const connections = { accept: () => undefined, reject: () => void rejected.push('server') }
    const options = { connections, steadyMs: () => 0, leaseMs: 5000, mark: undefined }
    const server = { systemIdentifier: '7', timeline: '00000001' }
    const follower = new LogFollower(options as unknown as FollowerOptions, {
      server,
      entries: [],
      reached: { epoch: 'e', seq: 5 },
    })
    const appended = (seq: number, hash: string) =>
      follower.appended([{ revocation: { seq }, hash } as Committed], follower.position)
    return { follower, rejected, appended }
  }

  test('an entry of its own at the number that it knew shows that the log went back, as one below it does', () => {
    const { follower, rejected, appended } = following()
    appended(6, 'six')
    expect([follower.position, rejected]).toEqual([{ epoch: 'e', seq: 6, hash: 'six' }, []])
    for (const seq of [6, 5]) expect(() => appended(seq, 'another')).toThrow(StoreUnavailable)
    expect([follower.position.hash, rejected.length]).toEqual(['six', 2])
  })

  test('it takes the hash of an entry that it knew by its number alone, and keeps the first', () => {
    const { follower } = following()
    for (const hash of ['five', 'another']) follower.reached({ epoch: 'e', seq: 5, hash })
    expect(follower.position.hash).toBe('five')
  })
})

test.skipIf(!HAS_POSTGRES)(
  'a clock that goes back ends the lease of a broker; the next one counts by the clock as it is then',
  async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    let elapsedMs = 10_000_000
    const { url } = database
    const store = await openPostgresStore({ url, nowMs: Date.now, elapsedMs: () => elapsedMs })
    onTestFinished(() => store.close())
    expect(await store.knownHead(-Infinity)).toMatchObject({ knownMs: elapsedMs })
    elapsedMs -= 5_000_000
    expect(await store.knownHead(-Infinity)).toMatchObject({ knownMs: elapsedMs })
  },
)

test('an address may name several servers, which are tried in turn', () => {
  expect(
    addressesOf('postgres://broker:a%40b@one:5432,two:5433/broker?sslmode=verify-full'),
  ).toEqual([
    'postgres://broker:a%40b@one:5432/broker?sslmode=verify-full',
    'postgres://broker:a%40b@two:5433/broker?sslmode=verify-full',
  ])
  expect(addressesOf('postgres://u@/db?host=%2Ftmp%2Fa,%2Ftmp%2Fb&port=1,2')).toEqual([
    'postgres://u@/db?host=%2Ftmp%2Fa&port=1',
    'postgres://u@/db?host=%2Ftmp%2Fb&port=2',
  ])
  expect(addressesOf('postgres://u@/db?host=/tmp/a')).toEqual(['postgres://u@/db?host=/tmp/a'])
  const servers = new Servers('postgres://a,b/db')
  servers.passOver('postgres://a/db')
  // If many failed at once, the first one counts.
  servers.passOver('postgres://a/db')
  expect(servers.current).toBe('postgres://b/db')
})

test.skipIf(!HAS_POSTGRES)(
  'of two servers the one that answers is found, whichever it is, also while no act is asked for',
  async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const host = new URL(database.url.replace('@/', '@localhost/')).searchParams.get('host') ?? ''
    const [first, second] = [
      await Line.open({ path: join(host, '.s.PGSQL.5432') }),
      await Line.open({ path: join(host, '.s.PGSQL.5432') }),
    ]
    onTestFinished(async () => void (await Promise.all([first.close(), second.close()])))
    await second.refuse()
    const both = `@127.0.0.1:${first.port},127.0.0.1:${second.port}/`
    const store = await openPostgresStore({
      url: database.url.replace('@/', both).replace(/\?.*/, ''),
      nowMs: Date.now,
    })
    onTestFinished(() => store.close())
    const heard: Elsewhere[] = []
    store.onElsewhere((what) => heard.push(what))
    for (const next of [second, first, first]) {
      heard.length = 0
      await Promise.all([first.refuse(), second.refuse()])
      await expect.poll(() => heard).toContain('unconfirmed')
      await next.repair()
      await expect.poll(() => heard).toContain('returned')
    }
  },
)

describe.skipIf(!HAS_POSTGRES)('the store on a Postgres whose history is another', () => {
  let url: string
  let dir: string
  let mark: string
  beforeEach(async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    url = database.url
    dir = mkdtempSync(join(tmpdir(), 'lineage-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    mark = join(dir, 'postgres')
  })

  const open = async (): Promise<Bench> => {
    const b = await bench({
      open: (nowMs) => openPostgresStore({ url, nowMs, mark }),
      remove: () => undefined,
    })
    onTestFinished(() => b.close())
    return b
  }
  const adopt = (nothingLost: boolean) =>
    adoptDatabase({ url, actor: OLGA, nowMs: () => 1_800_000_100_000, nothingLost, mark })
  const restoredFrom = (change: string) => sql(url, change)
  /** A store with a user signed in, and one whose session was revoked. */
  async function used() {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: (await b.signIn('bob')).session.sid })
    const head = await b.store.head()
    await b.close()
    return { sid: session.sid, head }
  }

  test('a later timeline and another database system are rejected at start, with what to do', async () => {
    await used()
    await restoredFrom(`UPDATE broker.lineage SET timeline = '00000000'`)
    await expect(open()).rejects.toThrow(
      /recovered, or a standby was promoted.+cmb restore --adopt\. .+cmb restore --adopt --nothing-lost/,
    )
    await restoredFrom(`UPDATE broker.lineage SET system_identifier = '1'`)
    await expect(open()).rejects.toThrow(
      /copied or loaded into another Postgres server.+cmb restore --adopt/,
    )
  })

  test.each([
    ['ends before', 1, undefined],
    ['has another entry at', 0, 'another-hash'],
  ])(
    'a new log begins on a database whose log %s the point that this data directory remembers',
    async (_, further, hash) => {
      const { sid, head } = await used()
      const [epoch, seq, known] = readFileSync(`${mark}.mark`, 'utf8').trim().split(' ')
      expect([epoch, seq]).toEqual([head.epoch, String(head.seq)])
      writeFileSync(`${mark}.mark`, `${head.epoch} ${head.seq + further} ${hash ?? known}\n`)
      const b = await open()
      const heard: Elsewhere[] = []
      b.store.onElsewhere((what) => heard.push(what))
      expect(heard).toContain('log_lost')
      expect((await b.store.statusBySid(sid, b.now)).state).toBe('ended')
      const begun = await b.store.head()
      expect([begun.epoch === head.epoch, begun.seq > head.seq + LEAP]).toEqual([false, true])
      await b.close()
      expect((await (await open()).store.head()).epoch).toBe(begun.epoch)
    },
  )

  test('a mark without a hash, as version 1.0.0-rc.2 writes it, is compared by its number', async () => {
    const { head } = await used()
    writeFileSync(`${mark}.mark`, `${head.epoch} ${head.seq}\n`)
    expect((await (await open()).store.head()).epoch).toBe(head.epoch)
  })

  test('the hash of an entry that retention has deleted, or of a user who was erased, is no difference', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: session.sid })
    const { epoch } = await b.store.head()
    await b.close()
    const marked = readFileSync(`${mark}.mark`, 'utf8')
    const next = await open()
    await next.revoke({ kind: 'session', sid: (await next.signIn('bob')).session.sid })
    await next.store.eraseUser({ sub: session.sub, actor: OLGA, now: next.now })
    await next.fanOutAll()
    while (await next.store.forgetErased({ limit: 100 }));
    await next.close()
    writeFileSync(`${mark}.mark`, marked)
    const third = await open()
    expect((await third.store.head()).epoch).toBe(epoch)
    await third.close()
    await restoredFrom('DELETE FROM broker.revocations WHERE seq = 1')
    writeFileSync(`${mark}.mark`, marked)
    expect((await (await open()).store.head()).epoch).toBe(epoch)
  })

  test('a database that no broker has used is rejected by a broker that has used another one', async () => {
    writeFileSync(`${mark}.mark`, `another 1\n`)
    await expect(open()).rejects.toThrow(`If it is meant, remove ${mark}.mark`)
    rmSync(`${mark}.mark`)
    await open()
  })

  test('adopted as a restore, it begins a new log that revokes everything; each broker that remembers the former one starts', async () => {
    const { sid, head } = await used()
    await restoredFrom(`UPDATE broker.lineage SET timeline = '00000000'`)
    const adopted = await adopt(false)
    expect(adopted.seq).toBeGreaterThan(head.seq + LEAP)
    writeFileSync(`${mark}.mark`, `${head.epoch} ${head.seq}\n`)
    const b = await open()
    expect(await b.store.statusBySid(sid, b.now)).toMatchObject({
      state: 'ended',
      session: { ended: { reason: 'restored' } },
    })
    expect(await b.store.head()).toEqual({ epoch: adopted.epoch, seq: adopted.seq })
    expect(adopted.epoch).not.toBe(head.epoch)
  })

  test('adopted with nothing lost, it keeps its epoch and its sessions, far ahead of the former server; not where a broker knows better', async () => {
    const { sid, head } = await used()
    await expect(adopt(true)).rejects.toThrow('there is nothing to adopt')
    await restoredFrom(`UPDATE broker.lineage SET timeline = '00000000'`)
    writeFileSync(`${mark}.mark`, `${head.epoch} ${head.seq + 1}\n`)
    await expect(adopt(true)).rejects.toThrow(
      `Revocations are missing: the log ends at ${head.seq}`,
    )
    writeFileSync(`${mark}.mark`, `${head.epoch} ${head.seq}\n`)
    expect(await adopt(true)).toMatchObject({ epoch: head.epoch, seq: head.seq + LEAP })
    const b = await open()
    expect((await b.store.statusBySid(sid, b.now)).state).toBe('live')
    expect([
      b.store.wasLost(head.seq),
      b.store.wasLost(head.seq + 1),
      b.store.wasLost(head.seq + LEAP),
    ]).toEqual([false, true, false])
    await b.revoke({ kind: 'session', sid })
    expect((await b.store.head()).seq).toBe(head.seq + LEAP + 1)
  })

  test('the log takes no entry on a timeline that it was not continued on', async () => {
    const b = await open()
    const { session } = await b.signIn('alice')
    await restoredFrom(`UPDATE broker.lineage SET timeline = '00000000'`)
    await expect(b.revoke({ kind: 'session', sid: session.sid })).rejects.toThrow(
      'The log accepts no entry',
    )
  })

  test('a broker that runs follows an adoption to the new log, and remembers that', async () => {
    const b = await open()
    const heard: string[] = []
    b.store.onElsewhere((what) => heard.push(what))
    const { session } = await b.signIn('alice')
    const adopted = await adopt(false)
    await expect.poll(() => heard).toEqual(expect.arrayContaining(['log', 'registry']))
    expect((await b.store.statusBySid(session.sid, b.now)).state).toBe('ended')
    await b.close()
    expect(readFileSync(`${mark}.mark`, 'utf8')).toContain(`${adopted.epoch} ${adopted.seq} `)
  })

  test('the rows of brokers that were killed 30 days ago are deleted', async () => {
    const b = await open()
    const ms = b.now * 1000
    await sql(
      url,
      `INSERT INTO broker.processes (id, kind, host, version, work, started_at_ms, seen_at_ms)
        VALUES ('old', 'broker', 'h', '1', 'all', 0, ${ms - 31 * 86_400_000}), ('late', 'broker', 'h', '1', 'all', 0, ${ms - 29 * 86_400_000})`,
    )
    const ids = async () => {
      const pool = new Connections(url)
      const client = await pool.connectAny()
      const { rows } = await client.query<{ id: string }>(
        'SELECT id FROM processes WHERE length(id) < 5',
      )
      client.release()
      await pool.end()
      return rows.map(({ id }) => id)
    }
    await expect.poll(ids).toEqual(['late'])
    expect(existsSync(`${mark}.mark`)).toBe(true)
  })

  test('connections from before a failover are no longer used, and none to a server that is not accepted', async () => {
    const pool = new Connections(url)
    onTestFinished(() => pool.end())
    await expect(pool.query('SELECT 1')).rejects.toThrow('has not taken it over yet')
    const client = await pool.connectAny()
    const server = await serverOf(client)
    client.release()
    pool.accept(server)
    const pid = async () =>
      (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
    const first = await pid()
    expect(await pid()).toBe(first)
    pool.drop()
    expect(await pid()).not.toBe(first)
    pool.accept({ ...server, timeline: '000000FF' })
    await expect(pid()).rejects.toThrow('has not taken it over yet')
  })
})

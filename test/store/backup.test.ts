import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase } from '../../db/sqlite/open.ts'
import { restoreBackup } from '../../db/sqlite/restore.ts'
import { startReaderThread, type ReaderThread } from '../../db/sqlite/reader.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { placeDataFile } from '../data-file.ts'
import { readHere } from '../reads-here.ts'
import { bench, expectOutcome, family, T0, type Bench } from './fixture.ts'

/**
 * Backup and restore of the embedded store. What a restored database must not do is bring back what
 * ended since the backup.
 */

let dir: string
let file: string
let backup: string
let b: Bench
/**
 * Creates the reader that copies the file. Only the tests of the backup itself need the thread,
 * which takes longer to start than they take to run.
 */
let reader: (file: string) => ReaderThread
const OPERATOR = { kind: 'operator', id: 'cmb@olga' } as const

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'broker-backup-'))
  file = join(dir, 'data', 'broker.db')
  backup = join(dir, 'backup.db')
  reader = readHere
  placeDataFile(file)
  b = await bench({
    open: (nowMs) => openSqliteStore({ file, nowMs, startReader: (of) => reader(of) }),
    remove: () => {},
  })
  for (const client of ['sydney', 'melbourne']) await b.client(client)
})
afterEach(async () => {
  await b.close()
  rmSync(dir, { recursive: true, force: true })
})

const restore = (from = backup, nowMs = T0 * 1000) =>
  restoreBackup({ backup: from, file, actor: OPERATOR, nowMs })
/** Restores while no broker runs, and starts one on it. */
async function restored(from = backup, nowMs = T0 * 1000) {
  await b.close()
  const done = restore(from, nowMs)
  b.store = await openSqliteStore({ file, nowMs: () => b.now * 1000 })
  return done
}

describe('backup', () => {
  beforeEach(() => void (reader = startReaderThread))

  test('is one file of mode 0600 with all that was acknowledged, and leaves nothing beside it', async () => {
    const { session } = await b.signIn('alice')
    const made = expectOutcome(await b.store.backup(backup), 'made')
    expect(made).toMatchObject({ ...(await b.store.head()), bytes: statSync(backup).size })
    expect(statSync(backup).mode & 0o777).toBe(0o600)
    expect(readdirSync(dir).toSorted()).toEqual(['backup.db', 'data'])
    const { db, unlock } = openDatabase(backup)
    expect(db.prepare('SELECT sid FROM sessions').pluck().all()).toEqual([session.sid])
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
    unlock()
  })

  test('overwrites no file, and says so', async () => {
    writeFileSync(backup, 'mine')
    expect(await b.store.backup(backup)).toEqual({ outcome: 'exists' })
    expect(readFileSync(backup, 'utf8')).toBe('mine')
    expect(await b.store.backup(join(dir, 'nowhere', 'backup.db'))).toEqual({
      outcome: 'unwritable',
      code: 'ENOENT',
    })
  })

  test('goes on while users sign in and out, and has everything that was acknowledged before it began', async () => {
    const before = await Promise.all(Array.from({ length: 300 }, (_, n) => b.signIn(`before-${n}`)))
    const ending = new AbortController()
    const writing = (async () => {
      for (let n = 0; !ending.signal.aborted; n++) {
        const { session } = await b.signIn(`during-${n}`)
        await b.revoke({ kind: 'session', sid: session.sid })
      }
    })()
    const { seq } = expectOutcome(await b.store.backup(backup), 'made')
    ending.abort()
    await writing
    const { db, unlock } = openDatabase(backup)
    const kept = new Set(db.prepare<[], string>('SELECT sid FROM sessions').pluck().all())
    expect(before.every(({ session }) => kept.has(session.sid))).toBe(true)
    expect(db.prepare('SELECT seq FROM log_head').pluck().get()).toBe(seq)
    expect(db.prepare('SELECT count(*) FROM revocations').pluck().get()).toBe(seq)
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
    unlock()
  })

  test('under way when the store closes, it is abandoned and leaves nothing', async () => {
    await Promise.all(
      Array.from({ length: 400 }, (_, n) =>
        b.signIn(`user-${n}`, { session: { device: 'x'.repeat(8_000) } }),
      ),
    )
    const copying = b.store.backup(backup).then(
      (made) => made.outcome,
      (error: Error) => error.message,
    )
    await b.close()
    expect(['made', 'The store was closed before the backup was whole.']).toContain(await copying)
    expect(readdirSync(dir).filter((name) => name.includes('.part-'))).toEqual([])
  })
})

describe('restore', () => {
  test('revives no session: neither who signed out since the backup nor who was signed in then', async () => {
    const alice = await b.signIn('alice')
    const bob = await b.signIn('bob')
    const { family: hers } = await b.exchange(alice.session.sid, 'sydney')
    await b.store.backup(backup)
    await b.revoke({ kind: 'session', sid: alice.session.sid })
    const carol = await b.signIn('carol')
    await restored()
    for (const { session, cookie: _ } of [alice, bob])
      expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({
        state: 'ended',
        session: { ended: { reason: 'restored' } },
      })
    expect(await b.store.statusBySid(carol.session.sid, b.now)).toEqual({ state: 'unknown' })
    expect(await b.refresh(family(hers))).toEqual({ outcome: 'rejected', why: 'revoked' })
  })

  test('raises the floor of every user: a visit to Microsoft that began before it opens and renews no session', async () => {
    const alice = await b.signIn('alice')
    await b.store.backup(backup)
    const atBackup = await b.store.head()
    await b.revoke({ kind: 'tenant', tid: 't-1' })
    const lost = await b.store.head()
    const { seq } = await restored()
    const visits = ['alice', 'bob'].flatMap((who) =>
      [atBackup.seq, lost.seq, seq - 1].map((provenSeq) => ({ who, provenSeq })),
    )
    for (const { who, provenSeq } of visits) {
      const done = await b.tryToSignIn(who, {
        provenSeq,
        browser: who === 'alice' ? alice.cookie : undefined,
      })
      expect(done).toMatchObject({ outcome: 'rejected', why: 'not_fresh' })
    }
    expect(await b.store.searchSessions({ now: b.now, limit: 9 })).toEqual([])
    for (const who of ['alice', 'bob'])
      expect(await b.tryToSignIn(who, { provenSeq: seq })).toMatchObject({ outcome: 'signed_in' })
  })

  test('begins a new log, ahead of all that the former one issued: no token of it is valid', async () => {
    await b.store.backup(backup)
    for (let n = 0; n < 20; n++) await b.revoke({ kind: 'tenant', tid: `t-${n}` })
    const former = await b.store.head()
    const { epoch, seq } = await restored()
    expect(await b.store.head()).toEqual({ epoch, seq })
    expect(epoch).not.toBe(former.epoch)
    expect(seq).toBeGreaterThan(former.seq)
    expect(String(seq).length).toBeLessThanOrEqual(15)
    expect(await b.store.checkClientAccess({ clientId: 'sydney', rev: former.seq })).toBe(false)
    expect(await b.store.checkClientAccess({ clientId: 'sydney', rev: seq })).toBe(true)
    expect(await b.store.findRevocation(seq)).toMatchObject({
      selector: { kind: 'everything' },
      reason: 'restored',
      actor: OPERATOR,
    })
  })

  test('is read by a guard that connects in one turn, although its numbers leap: the backup’s young revocations, then the restore', async () => {
    const { session } = await b.signIn('alice')
    await b.revoke({ kind: 'session', sid: session.sid })
    const former = (await b.store.head()).seq
    await b.store.backup(backup)
    await restored()
    const rows = await b.store.revocationsAfter({ after: 0, since: T0 - 3_660, limit: 500 })
    expect(rows.map((row) => row.seq)).toEqual([former, (await b.store.head()).seq])
  })

  test('of the same backup a second time, the machine lost in between: ahead of the first time’s log too', async () => {
    await b.store.backup(backup)
    const first = await restored(backup, T0 * 1000)
    for (let n = 0; n < 50; n++) await b.revoke({ kind: 'tenant', tid: `t-${n}` })
    const between = await b.store.head()
    await b.close()
    rmSync(join(dir, 'data'), { recursive: true })
    const second = await restored(backup, T0 * 1000 + 60_000)
    expect(second.seq).toBeGreaterThan(between.seq)
    expect(second.epoch).not.toBe(first.epoch)
  })

  test('has a logout token pending for every instance at which the sessions of the backup took part', async () => {
    const alice = await b.signIn('alice')
    for (const client of ['sydney', 'melbourne']) await b.exchange(alice.session.sid, client)
    await b.store.backup(backup)
    await b.revoke({ kind: 'session', sid: alice.session.sid })
    const { seq } = await restored()
    expect(await b.fanOutAll()).toBe(2)
    expect(
      (await b.store.listDeliveries({ seq, limit: 10 }))
        .map((delivery) => [delivery.clientId, delivery.sid, delivery.state])
        .toSorted(),
    ).toEqual([
      ['melbourne', alice.session.sid, 'pending'],
      ['sydney', alice.session.sid, 'pending'],
    ])
  })

  test('a report of a guard of the former log says nothing about the new one', async () => {
    const { epoch } = await b.store.head()
    await b.store.backup(backup)
    await restored()
    expect(
      await b.store.recordEnforced({
        clientId: 'sydney',
        guardId: 'g',
        epoch,
        enforcedSeq: 1,
        reportedAtMs: 1,
      }),
    ).toEqual({ reached: [], ranOut: [] })
  })

  test('no key that the broker kept signs again: one that leaked may have been retired since the backup', async () => {
    const key = { alg: 'ES256', publicJwk: {}, createdAt: T0 } as const
    await b.store.addKey({ ...key, kid: 'kept', state: 'active', privateSealed: 'sealed' })
    await b.store.addKey({ ...key, kid: 'of-a-file', state: 'active', privateSealed: null })
    await b.store.backup(backup)
    await restored()
    expect(
      Object.fromEntries((await b.store.listKeys()).map(({ kid, state }) => [kid, state])),
    ).toEqual({ kept: 'retired', 'of-a-file': 'active' })
  })

  test('ends the audit entry of its backup, which was copied before it had ended', async () => {
    const id = await b.store.appendAudit({ actor: OPERATOR, via: 'command', act: 'backup' })
    await b.store.backup(backup)
    await restored()
    expect(await b.store.listAudit({ act: 'backup', limit: 1 })).toMatchObject([
      { id, ended: { outcome: 'done', result: { restored: true } } },
    ])
  })

  test('is in the audit log, with who did it', async () => {
    await b.store.backup(backup)
    const { seq } = await restored()
    expect(await b.store.listAudit({ limit: 1 })).toMatchObject([
      {
        actor: OPERATOR,
        act: 'restore',
        via: 'command',
        ended: { outcome: 'done', result: { seq } },
      },
    ])
  })

  test('keeps what was there before, also what a killed broker left in the log beside its file', async () => {
    await b.store.backup(backup)
    const { session } = await b.signIn('alice')
    // The files as kill -9 leaves them: the database, and its log with the sign-in.
    const killed = join(dir, 'killed.db')
    for (const end of ['', '-wal']) copyFileSync(`${file}${end}`, `${killed}${end}`)
    await b.close()
    for (const end of ['', '-wal']) copyFileSync(`${killed}${end}`, `${file}${end}`)
    const { formerKeptAs } = restore()
    expect(existsSync(`${file}-wal`)).toBe(false)
    const { db, unlock } = openDatabase(formerKeptAs ?? '')
    expect(db.prepare('SELECT sid FROM sessions').pluck().all()).toEqual([session.sid])
    db.close()
    unlock()
    b.store = await openSqliteStore({ file })
    expect(await b.store.statusBySid(session.sid, b.now)).toEqual({ state: 'unknown' })
  })

  test('lists the locks that are gone or back', async () => {
    const lock = (clientId: string) =>
      b.store.lock({
        target: { kind: 'client', clientId },
        actor: OPERATOR,
        may: 'administer',
        operatorTenant: undefined,
        now: b.now,
      })
    const lifted = expectOutcome(await lock('sydney'), 'locked').lock
    await b.store.backup(backup)
    await b.store.liftLock({ id: lifted.id, actor: OPERATOR, now: b.now })
    await lock('melbourne')
    expect(await restored()).toMatchObject({
      locksBack: [{ kind: 'client', clientId: 'sydney' }],
      locksGone: [{ kind: 'client', clientId: 'melbourne' }],
    })
  })

  test('where there was no data file yet: it is made', async () => {
    const { session } = await b.signIn('alice')
    await b.store.backup(backup)
    await b.close()
    file = join(dir, 'elsewhere', 'broker.db')
    expect(restore()).toMatchObject({ formerKeptAs: undefined })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    b.store = await openSqliteStore({ file })
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'ended' })
  })

  test('is rejected while a broker has the file, and changes nothing', async () => {
    const { session } = await b.signIn('alice')
    await b.store.backup(backup)
    expect(() => restore()).toThrow('Another broker has')
    expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
  })

  test.each([
    ['is not there', () => rmSync(backup), 'There is no file'],
    [
      'is no database',
      () => writeFileSync(backup, 'hello'.repeat(1000)),
      'is not a complete database',
    ],
    ['is empty', () => writeFileSync(backup, ''), 'is not a complete database'],
    ['is damaged', () => writeFileSync(backup, damaged()), 'is not a complete database'],
    ['was written by a newer version', () => newer(), 'newer version'],
  ])(
    'a backup that %s is rejected, and what was there stays as it was',
    async (_what, spoil, words) => {
      const { session } = await b.signIn('alice')
      await b.store.backup(backup)
      await b.close()
      spoil()
      expect(() => restore()).toThrow(words)
      expect(readdirSync(join(dir, 'data')).toSorted()).toEqual([
        'broker.db',
        'broker.db.lock',
        'broker.db.mark',
      ])
      b.store = await openSqliteStore({ file })
      expect(await b.store.statusBySid(session.sid, b.now)).toMatchObject({ state: 'live' })
    },
  )

  test('the data file itself is not a backup of it', async () => {
    await b.close()
    expect(() => restore(file)).toThrow('is the data file itself')
    mkdirSync(join(dir, 'none'))
    file = join(dir, 'none', 'broker.db')
    expect(() => restore(join(dir, 'missing.db'))).toThrow('There is no file')
    expect(readdirSync(join(dir, 'none'))).toEqual([])
  })

  function damaged(): Buffer {
    const bytes = readFileSync(backup)
    bytes.fill(0xaa, 4_096, 12_288)
    return bytes
  }
  function newer(): void {
    chmodSync(backup, 0o600)
    const { db, unlock } = openDatabase(backup)
    db.prepare(
      "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('x', 99999999999999)",
    ).run()
    db.pragma('wal_checkpoint(TRUNCATE)')
    db.close()
    unlock()
  }
})

import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { restoreBackup } from '../../db/sqlite/restore.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import type { Store } from '../../db/store.ts'

/**
 * A database that is gone, replaced, older or damaged is rejected, at start and while the broker
 * runs.
 */

let dir: string
let file: string
let open: Store[]
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'broker-file-'))
  file = join(dir, 'broker.db')
  open = []
})
afterEach(async () => {
  for (const store of open) await store.close()
  rmSync(dir, { recursive: true, force: true })
})

const start = async (): Promise<Store> => {
  const store = await openSqliteStore({ file })
  open.push(store)
  return store
}
const stop = async (store: Store): Promise<void> => {
  open = open.filter((candidate) => candidate !== store)
  await store.close()
}
const revokeEverything = (store: Store) =>
  store.revoke({
    selector: { kind: 'everything' },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'test' },
    now: 1_700_000_000,
  })

/** Overwrites every page but the first, as a failing disk does. */
function damage(): void {
  const fd = openSync(file, 'r+')
  for (let page = 1; page < 12; page++)
    writeSync(fd, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096)
}

describe('while the broker runs', () => {
  test.each([
    ['removed', () => rmSync(file)],
    ['moved away with its directory', () => renameSync(dir, `${dir}-away`)],
    ['replaced', () => (copyFileSync(file, `${file}.copy`), renameSync(`${file}.copy`, file))],
  ])(
    'a database that was %s acknowledges no revocation, and reads are rejected too',
    async (_, lose) => {
      const store = await start()
      await revokeEverything(store)
      lose()
      await expect(revokeEverything(store)).rejects.toThrow(
        'was removed or replaced while the broker was running',
      )
      await expect(store.probe()).rejects.toThrow('cmb restore BACKUP')
      await expect(store.head()).rejects.toThrow('was removed or replaced')
      rmSync(`${dir}-away`, { recursive: true, force: true })
    },
  )

  test('the check of a sound database finds nothing', async () => {
    const store = await start()
    expect(await store.checkIntegrity()).toBeUndefined()
    await revokeEverything(store)
  })

  test('after the check, no act prepares a statement', async () => {
    const store = await start()
    await store.checkIntegrity()
    const prepare = vi.spyOn(Sqlite.prototype, 'prepare')
    onTestFinished(() => prepare.mockRestore())
    await revokeEverything(store)
    await store.listTenants()
    expect(prepare).not.toHaveBeenCalled()
  })

  test('the check of a damaged one says so, and nothing is served from it afterwards', async () => {
    await stop(await start())
    const store = await start()
    damage()
    expect(await store.checkIntegrity()).toContain('is damaged')
    await expect(revokeEverything(store)).rejects.toThrow('restore the latest backup')
  })
})

describe('at start', () => {
  test('a database that is missing where one was is rejected; nothing is made in its place', async () => {
    const store = await start()
    await revokeEverything(store)
    await stop(store)
    renameSync(file, `${file}.away`)
    await expect(start()).rejects.toThrow('its log had come to 1. Check that the volume is mounted')
    await expect(start()).rejects.toThrow('is missing')
    rmSync(`${file}.mark`)
    expect(await (await start()).head()).toMatchObject({ seq: 0 })
  })

  test('a database that was copied back by hand is rejected; restoring from it begins a new epoch', async () => {
    const first = await start()
    await revokeEverything(first)
    await stop(first)
    copyFileSync(file, join(dir, 'copy.db'))
    const second = await start()
    await revokeEverything(second)
    const { epoch } = await second.head()
    await stop(second)
    copyFileSync(join(dir, 'copy.db'), file)
    await expect(start()).rejects.toThrow('its log ends at 1, and had come to 2')
    rmSync(file)
    restoreBackup({
      backup: join(dir, 'copy.db'),
      file,
      actor: { kind: 'operator', id: 'test' },
      nowMs: Date.now(),
    })
    const restored = await (await start()).head()
    expect(restored.epoch).not.toBe(epoch)
    expect(restored.seq).toBeGreaterThan(2)
  })

  test('a database that was copied back is rejected, also when its log has grown on another machine', async () => {
    const first = await start()
    await revokeEverything(first)
    await stop(first)
    const elsewhere = join(dir, 'elsewhere', 'broker.db')
    mkdirSync(join(dir, 'elsewhere'))
    copyFileSync(file, elsewhere)
    const second = await start()
    await revokeEverything(second)
    await stop(second)
    const other = await openSqliteStore({ file: elsewhere })
    for (let seq = 2; seq <= 3; seq++) await revokeEverything(other)
    await other.close()
    copyFileSync(elsewhere, file)
    await expect(start()).rejects.toThrow('entry 2 of its log is not the one that it had')
  })

  test('the database of another broker is rejected', async () => {
    await stop(await start())
    const other = await openSqliteStore({ file: join(dir, 'other', 'broker.db') })
    await other.close()
    copyFileSync(join(dir, 'other', 'broker.db'), file)
    await expect(start()).rejects.toThrow('belongs to another log')
  })

  test('a damaged database is rejected with what to do', async () => {
    await stop(await start())
    damage()
    await expect(start()).rejects.toThrow(
      /is damaged \(.+\)\. The broker does not serve from it\. Stop the broker and restore/,
    )
  })
})

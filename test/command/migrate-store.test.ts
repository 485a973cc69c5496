import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { createDatabase, HAS_POSTGRES } from '../postgres.ts'
import { cmb } from './cmb.ts'

async function aDataDir(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmb-move-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const store = await openSqliteStore({ file: join(dataDir, 'broker.db') })
  await store.close()
  return dataDir
}

test.skipIf(!HAS_POSTGRES)(
  'cmb migrate-store checks, moves, and says what to do next',
  async () => {
    const dataDir = await aDataDir()
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const checked = await cmb(['migrate-store', '--to', database.url, '--check', '--json'], {
      dataDir,
    })
    expect([checked.code, checked.json()]).toMatchObject([
      0,
      { checked_only: true, kept_as: null, log: { seq: 0 } },
    ])
    const moved = await cmb(['migrate-store', '--from', join(dataDir, 'broker.db')], {
      dataDir,
      env: { BROKER_DATABASE_URL: database.url },
    })
    expect(moved.code).toBe(0)
    expect(moved.out).toContain(`${join(dataDir, 'broker.db')}.moved-to-postgres`)
    expect(moved.out).toContain('Set BROKER_DATABASE_URL and start the broker')
    expect(moved.err).toContain('chain_heads: 2\n')
    const again = await cmb(['migrate-store', '--to', database.url], { dataDir })
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('moved to Postgres')])
  },
)

test('cmb migrate-store needs to know the database, and never prints its password', async () => {
  const dataDir = await aDataDir()
  expect(await cmb(['migrate-store'], { dataDir })).toMatchObject({
    code: 2,
    err: expect.stringContaining('--to postgres://…') as string,
  })
  const unreachable = await cmb(
    ['migrate-store', '--to', 'postgres://broker:hunter2@127.0.0.1:1/broker'],
    { dataDir },
  )
  expect([unreachable.code, unreachable.out]).toEqual([1, ''])
  expect(unreachable.err).toContain('Postgres cannot be reached')
  expect(unreachable.err).not.toContain('hunter2')
})

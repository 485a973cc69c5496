import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { highWaterFile, readHighWater, writeHighWater } from '../../db/high-water.ts'

test('the high-water mark is on disk before it has its name, and its name before the broker goes on', () => {
  const dir = fs.mkdtempSync(join(tmpdir(), 'cmb-'))
  const file = join(dir, 'broker.db')
  const mark = highWaterFile(file)
  const synced: { what: string; hasName: boolean }[] = []
  const { fsyncSync } = fs
  const spy = vi.spyOn(fs, 'fsyncSync').mockImplementation((descriptor) => {
    fsyncSync(descriptor)
    synced.push({
      what: fs.fstatSync(descriptor).isDirectory() ? 'folder' : 'file',
      hasName: fs.existsSync(mark),
    })
  })
  syncBuiltinESMExports()
  onTestFinished(() => {
    spy.mockRestore()
    syncBuiltinESMExports()
    fs.rmSync(dir, { recursive: true })
  })
  writeHighWater(file, { epoch: 'epoch', seq: 7, hash: 'hash' })
  expect(synced).toEqual([
    { what: 'file', hasName: false },
    { what: 'folder', hasName: true },
  ])
  expect(readHighWater(file)).toEqual({ epoch: 'epoch', seq: 7, hash: 'hash' })
})

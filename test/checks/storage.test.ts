import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createRig } from '../rig.ts'

/** The disk of the data directory, as the checks see it. */

const disk = { bavail: 0, blocks: 1, bsize: 4096 }
// The modules that read the disk may have been loaded for another test of this process.
beforeAll(() => {
  vi.spyOn(fs, 'statfs').mockImplementation(() => Promise.resolve(disk as never))
  syncBuiltinESMExports()
})
afterAll(() => {
  vi.restoreAllMocks()
  syncBuiltinESMExports()
})
const GB = 2 ** 30 / 4096
beforeEach(() => {
  Object.assign(disk, { bavail: 50 * GB, blocks: 100 * GB })
})

describe('a disk that is nearly full', () => {
  test.each([
    ['none is free', 0, 100 * GB, true],
    ['less than 10 % and 10 GB are free', 9 * GB, 100 * GB, true],
    ['little of it, but more than 10 GB, is free', 20 * GB, 1000 * GB, false],
    ['more than 10 % of a small one is free', GB, 8 * GB, false],
  ])('is a problem of now before a commit fails: %s', async (_, bavail, blocks, isFull) => {
    Object.assign(disk, { bavail, blocks })
    const rig = await createRig()
    const ready = await (await rig.opsApp.request('/readyz')).json()
    expect(ready).toMatchObject({
      verdict: isFull ? '1 thing needs you now' : 'All good',
      parts: { store: { state: 'up' } },
    })
    const full = 'When it is full, no user can sign in or out.'
    expect(JSON.stringify(ready).includes(full)).toBe(isFull)
  })
})

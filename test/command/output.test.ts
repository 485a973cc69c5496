import { describe, expect, test } from 'vitest'
import { csvOf } from '../../src/operations/command/csv.ts'
import { createRig } from '../rig.ts'
import { startCmb } from './cmb.ts'

describe('--csv', () => {
  test('prints a list by the names of the admin API, and where the next page begins apart from it', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    await rig.openSession({ device: 'Firefox, "new" on Linux' })
    rig.clock.advance(1)
    const { session } = await rig.openSession({ device: '=HYPERLINK("https://attacker.example")' })
    const ran = await type(['sessions', 'list', '--limit', '1', '--csv'])
    expect(ran.code).toBe(0)
    const [head = '', row = '', end] = ran.out.split('\r\n')
    expect([head.split(',').slice(0, 2), end]).toEqual([['sid', 'sub'], ''])
    expect(head).toContain('user.username')
    expect(row).toContain(session.sid)
    expect(row).toContain(`"'=HYPERLINK(""https://attacker.example"")"`)
    expect(ran.err).toMatch(/--before/)
  })

  test('keeps what is null empty, what is nested by its path, and a list in one cell', () => {
    expect(
      csvOf({
        locks: [
          { id: 'l', at: -1, by: { kind: 'a', id: null }, clients: ['x', 'y'] },
          { id: 'm,n', more: true },
        ],
        next: null,
      }),
    ).toBe(['id,at,by.kind,by.id,clients,more', 'l,-1,a,,x y,', '"m,n",,,,,true', ''].join('\r\n'))
  })

  test('is rejected where the answer is no list', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    const ran = await type(['revocations', 'show', '1', '--csv'])
    expect(ran.code).toBe(1)
    const both = await type(['sessions', 'list', '--json', '--csv'])
    expect([both.code, both.err]).toEqual([2, expect.stringContaining('--json')])
    expect(() => csvOf({ version: '1.0.0' })).toThrow(/Only a list/)
  })
})

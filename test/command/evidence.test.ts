import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { signHeads } from '../../workers/sign-heads.ts'
import { createRig, type Rig } from '../rig.ts'
import { startCmb } from './cmb.ts'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']
let sid: string
let sub: string

beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
  const sydney = await rig.register('Sydney')
  await revoke((await rig.openSession()).session.sid)
  await signHeads(rig)
  ;({ sid, sub } = (await rig.openSession()).session)
  await rig.signInAt(sid, sydney)
  await revoke(sid)
  await revoke((await rig.openSession()).session.sid)
})

const revoke = (one: string) => type(['revoke', '--session', one, '--case', 'INC-1', '--comment', '=laptop, "stolen"'])
const exported = async (...args: string[]): Promise<string> => {
  const ran = await type(['evidence', 'export', '--revocation', '2', ...args])
  expect(ran).toMatchObject({ code: 0, err: '' })
  return ran.out
}
const verify = (text: string, ...args: string[]) => {
  const file = join(rig.config.dataDir, 'evidence')
  writeFileSync(file, text)
  return type(['evidence', 'verify', file, '--json', ...args])
}

describe('cmb evidence (docs/operations.md)', () => {
  test.each(['json', 'csv'])('what is exported as %s verifies without the broker, and any change of it is found', async (format) => {
    const text = await exported('--format', format)
    const verified = await verify(text)
    expect(verified.json()).toMatchObject({ seq: 2, chained: true, personal: true })
    const rows = text.split('\n').filter((row) => row !== '')
    expect(rows.length).toBeGreaterThan(8)
    const first = format === 'csv' ? 1 : 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: first, max: rows.length - 1 }),
        fc.integer({ min: first, max: rows.length - 1 }),
        fc.nat(2),
        async (a, b, how) => {
          const row = rows[a] ?? ''
          const damaged =
            how === 0
              ? rows.toSpliced(a, 1)
              : how === 1
                ? rows.with(a, rows[b] ?? '').with(b, row)
                : rows.with(a, row.replace(/[a-z0-9](?=[^a-z0-9]*$)/, 'Z'))
          fc.pre(damaged.join('\n') !== rows.join('\n'))
          expect((await verify(`${damaged.join('\n')}\n`)).code).toBe(1)
        },
      ),
      { numRuns: 60 },
    )
  })

  test('keys that are retired since still verify it, from the archive; another broker’s keys do not', async () => {
    const text = await exported()
    await rig.keys.rotate('ES256', 'emergency', rig.clock.now())
    const archive = await (await rig.app.request('/.well-known/signing-keys-archive')).text()
    const keys = join(rig.config.dataDir, 'keys.json')
    writeFileSync(keys, archive)
    expect((await verify(text, '--keys', keys)).code).toBe(0)
    writeFileSync(
      keys,
      JSON.stringify({ keys: (JSON.parse(archive) as { keys: { state: string }[] }).keys.filter(({ state }) => state === 'active') }),
    )
    expect((await verify(text, '--keys', keys)).code).toBe(1)
  })

  test('erasing the user takes the personal fields out of the evidence; the chain still verifies', async () => {
    expect(await exported()).toContain('stolen')
    expect((await type(['users', 'erase', '--subject', sub, '--yes'])).code).toBe(0)
    while (await rig.store.forgetErased({ limit: 2 }));
    const text = await exported()
    expect(text).not.toContain('stolen')
    expect((await verify(text)).json()).toMatchObject({ chained: true, personal: false })
  })

  test('a row that was changed in the database does not verify', async () => {
    const text = await exported()
    const before = await verify(text.replaceAll('INC-1', 'INC-2'))
    expect(before.code).toBe(1)
    expect(before.err).toContain('does not verify')
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import { signHeads } from '../../workers/keys.ts'
import { createRig, type Rig, START } from '../rig.ts'
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

const revoke = (oid: string) =>
  type(['revoke', '--session', oid, '--case', 'INC-1', '--comment', '=laptop, "stolen"'])
const exported = async (): Promise<string> => {
  const ran = await type(['evidence', 'export', '--revocation', '2'])
  expect(ran).toMatchObject({ code: 0, err: '' })
  return ran.out
}
const verify = (text: string, ...args: string[]) => {
  const file = join(rig.config.dataDir, 'evidence')
  writeFileSync(file, text)
  return type(['evidence', 'verify', file, '--json', ...args])
}

/** Checks that unchanged rows verify, and that a removed, moved or changed row is found. */
async function findsAnyChange(text: string): Promise<void> {
  const rows = text.split('\n').filter((row) => row !== '')
  const place = fc.nat(rows.length - 1)
  await fc.assert(
    fc.asyncProperty(place, place, fc.nat(2), async (a, b, how) => {
      const row = rows[a] ?? ''
      const damaged =
        how === 0
          ? rows.toSpliced(a, 1)
          : how === 1
            ? rows.with(a, rows[b] ?? '').with(b, row)
            : rows.with(a, row.replace(/[a-z0-9](?=[^a-z0-9]*$)/, 'Z'))
      fc.pre(damaged.join('\n') !== rows.join('\n'))
      expect((await verify(`${damaged.join('\n')}\n`)).code).toBe(1)
    }),
    { numRuns: 60 },
  )
}

describe('cmb evidence (docs/evidence.md)', () => {
  test('what is exported verifies without the broker, and any change of it is found', async () => {
    const text = await exported()
    const verified = await verify(text)
    expect(verified.json()).toMatchObject({
      log: 'revocations',
      from: 2,
      to: 2,
      rows: 1,
      withoutPersonal: 0,
      keyTimes: true,
    })
    expect(text.split('\n').length).toBeGreaterThan(9)
    await findsAnyChange(text)
    expect((await verify(text.replace(/\}\n$/, ',"approved":true}\n'))).code).toBe(1)
  })

  test('keys that are retired since still verify it, from the archive; another broker’s keys do not, and those in the file prove no signer', async () => {
    const text = await exported()
    expect((await verify(text)).code).toBe(4)
    await rig.keys.rotate('ES256', 'emergency', rig.clock.now())
    const archive = await (await rig.app.request('/.well-known/signing-keys-archive')).text()
    const keys = join(rig.config.dataDir, 'keys.json')
    writeFileSync(keys, archive)
    expect((await verify(text, '--keys', keys)).code).toBe(0)
    writeFileSync(
      keys,
      JSON.stringify({
        keys: (JSON.parse(archive) as { keys: { state: string }[] }).keys.filter(
          ({ state }) => state === 'active',
        ),
      }),
    )
    expect((await verify(text, '--keys', keys)).code).toBe(1)
  })

  test('erasing the user takes the personal fields out of the evidence; the chain still verifies', async () => {
    expect(await exported()).toContain('stolen')
    expect((await type(['users', 'erase', '--subject', sub, '--yes'])).code).toBe(0)
    while (await rig.store.forgetErased({ limit: 2 }));
    const text = await exported()
    expect(text).not.toContain('stolen')
    expect((await verify(text)).json()).toMatchObject({ rows: 1, withoutPersonal: 1 })
  })

  test('a row that was changed after it was written does not verify', async () => {
    const text = await exported()
    const before = await verify(text.replaceAll('INC-1', 'INC-2'))
    expect(before.code).toBe(1)
    expect(before.err).toContain('does not verify')
  })

  test('a signature by a key that had retired before it is a finding; so is one from before the key was made', async () => {
    const text = await exported()
    const keys = await rig.keys.list()
    const signer = keys.find(({ alg, state }) => alg === 'ES256' && state === 'active')?.kid
    const save = (times: Record<string, number>): string => {
      const file = join(rig.config.dataDir, 'keys.json')
      const archived = (kid: string, jwk: object) => (kid === signer ? { ...jwk, ...times } : jwk)
      writeFileSync(
        file,
        JSON.stringify({ keys: keys.map(({ kid, publicJwk }) => archived(kid, publicJwk)) }),
      )
      return file
    }
    const now = rig.clock.now()
    expect(
      await verify(text, '--keys', save({ created_at: now - 10, retire_at: now })),
    ).toMatchObject({ code: 0, err: '' })
    const retired = await verify(text, '--keys', save({ created_at: now - 10, retire_at: now - 1 }))
    expect(retired).toMatchObject({
      code: 1,
      err: expect.stringMatching(/by key \S+, which retired at 2026-/) as string,
    })
    const early = await verify(text, '--keys', save({ created_at: now + 1 }))
    expect(early).toMatchObject({
      code: 1,
      err: expect.stringContaining('before the key was made') as string,
    })
    expect((await verify(text, '--keys', save({}))).json()).toMatchObject({ keyTimes: false })
  })

  test('a head that a retired key signed is found in an export that another key signed', async () => {
    const before = await exported()
    const made = rig.clock.now()
    rig.clock.advance(60)
    await rig.keys.rotate('ES256', 'emergency', rig.clock.now())
    const text = await exported()
    const archive = JSON.parse(
      await (await rig.app.request('/.well-known/signing-keys-archive')).text(),
    ) as {
      keys: { state: string; created_at: number }[]
    }
    expect(archive.keys.find(({ state }) => state === 'retired')).toMatchObject({
      created_at: made,
      retire_at: made + 60,
    })
    const keys = join(rig.config.dataDir, 'keys.json')
    writeFileSync(keys, JSON.stringify(archive))
    for (const file of [before, text]) expect((await verify(file, '--keys', keys)).code).toBe(0)
    writeFileSync(
      keys,
      JSON.stringify({
        keys: archive.keys.map((key) =>
          key.state === 'retired' ? { ...key, retire_at: made - 1 } : key,
        ),
      }),
    )
    expect(await verify(text, '--keys', keys)).toMatchObject({
      code: 1,
      err: expect.stringContaining('A head of the chain was signed') as string,
    })
  })
})

describe('cmb evidence export --audit', () => {
  const at = (seconds: number) =>
    new Date((START + seconds) * 1000).toISOString().replace('.000', '')
  const exportAudit = async (...args: string[]) => type(['evidence', 'export', '--audit', ...args])
  const recordsOf = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { number: number; content?: object; ended?: object })

  test('a range of entries verifies without the broker, and any change of it is found', async () => {
    rig.clock.advance(3600)
    for (const _ of [4, 5]) await revoke((await rig.openSession()).session.sid)
    const { out, code } = await exportAudit('--from', at(3600))
    expect(code).toBe(0)
    expect((await verify(out)).json()).toMatchObject({
      log: 'audit',
      from: 4,
      to: 5,
      rows: 2,
      withoutPersonal: 0,
    })
    await findsAnyChange(out)
  })

  test('all of it, in words: how each act ended is in it, and entries beside the range are hashes alone', async () => {
    const all = (await exportAudit()).out
    expect(recordsOf(all).filter(({ ended }) => ended !== undefined)).toMatchObject(
      [1, 2, 3].map((number) => ({ number, ended: { outcome: 'done' } })),
    )
    const file = join(rig.config.dataDir, 'audit')
    writeFileSync(file, all)
    const { out, code } = await type(['evidence', 'verify', file])
    expect(code).toBe(4)
    expect(out).toContain('is as the keys in it signed it')
    expect(out).toContain('It is not proved that the broker signed it')
    expect(out).toMatch(
      /the audit log, 3 entries from number 1 to 3.*[^]*rows +3[^]*personal fields +match the chain/,
    )
  })

  test('a range of times; one without an entry, and one that is not a time, are rejected in words', async () => {
    rig.clock.advance(3600)
    await revoke((await rig.openSession()).session.sid)
    rig.clock.advance(3600)
    await revoke((await rig.openSession()).session.sid)
    const range = async (...args: string[]) =>
      (await verify((await exportAudit(...args)).out)).json()
    expect(await range('--from', at(60))).toMatchObject({ from: 4, to: 5 })
    const fourth = ['--from', at(60), '--to', at(7000)]
    expect(await range(...fourth)).toMatchObject({ from: 4, to: 4 })
    const links = recordsOf((await exportAudit(...fourth)).out).filter(({ number }) => number > 0)
    expect(links.length).toBeGreaterThan(1)
    for (const { number, content, ended } of links)
      expect([number, content !== undefined, ended !== undefined]).toEqual([
        number,
        number === 4,
        number === 4,
      ])
    expect(await range('--to', at(60))).toMatchObject({ from: 1, to: 3 })
    expect(await range('--from', '2026-11-24', '--to', '2026-11-25')).toMatchObject({
      from: 1,
      to: 5,
    })
    expect(await exportAudit('--from', '2030-01-01')).toMatchObject({
      code: 1,
      err: expect.stringContaining('no entry in that range') as string,
    })
    expect(await exportAudit('--from', '2026-11-24T09:00')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Name a time with its offset') as string,
    })
    expect(await type(['evidence', 'export'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--revocation <seq>; or --user <name> or --audit') as string,
    })
    expect(
      await type(['evidence', 'export', '--revocation', '1', '--from', '2026-11-24']),
    ).toMatchObject({
      code: 2,
    })
  })

  test('erasing a user takes what is personal out of the entries about them; the chain still verifies', async () => {
    rig.clock.advance(60)
    expect((await type(['revoke', '--subject', sub, '--comment', 'stolen twice'])).code).toBe(0)
    rig.clock.advance(60)
    expect((await exportAudit()).out).toContain('stolen twice')
    expect((await type(['users', 'erase', '--subject', sub, '--yes'])).code).toBe(0)
    const { out } = await exportAudit('--from', at(60), '--to', at(120))
    expect(out).not.toContain('stolen twice')
    expect((await verify(out)).json()).toMatchObject({ rows: 1, withoutPersonal: 1 })
  })
})

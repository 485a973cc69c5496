import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { createRig, ISSUER, type Rig } from '../rig.ts'
import { startCmb } from './cmb.ts'

let rig: Rig
let type: Awaited<ReturnType<typeof startCmb>>['type']
interface KeyShown {
  kid: string
  alg: string
  state: string
}

beforeEach(async () => {
  rig = await createRig()
  ;({ type } = await startCmb(rig))
})

const list = async (alg = 'ES256') =>
  (await type(['keys', 'list', '--json']))
    .json<{ keys: KeyShown[] }>()
    .keys.filter((key) => key.alg === alg)

describe('cmb keys', () => {
  test('lists keys without anything private', async () => {
    const ran = await type(['keys', 'list', '--json'])
    expect(
      ran
        .json<{ keys: KeyShown[] }>()
        .keys.map((key) => `${key.alg} ${key.state}`)
        .toSorted(),
    ).toEqual(['ES256 active', 'RS256 active'])
    expect(ran.out).not.toMatch(/sealed|"d"/i)
  })

  test('rotate publishes the next key ahead; the old one goes on signing', async () => {
    const [before] = await list()
    const announced = vi.spyOn(rig.feed, 'publishKeys')
    const next = (await type(['keys', 'rotate', 'ES256', '--json'])).json<KeyShown>()
    expect(next.state).toBe('next')
    expect(announced.mock.calls).toEqual([[[]]])
    expect((await list()).find((key) => key.state === 'active')?.kid).toBe(before?.kid)
    const { keys } = (await (await rig.app.request(`${ISSUER}/jwks`)).json()) as {
      keys: { kid: string }[]
    }
    expect(keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining([before?.kid, next.kid]))
  })

  test('an emergency retires the old key at once and tells guards which', async () => {
    const [before] = await list()
    const delivered = vi.spyOn(rig.feed, 'publishKeys')
    expect((await type(['keys', 'rotate', 'ES256', '--emergency', '--yes'])).code).toBe(0)
    expect(delivered.mock.calls).toEqual([[[before?.kid]]])
    expect((await list()).find((key) => key.kid === before?.kid)?.state).toBe('retired')
    expect(await type(['keys', 'rotate', 'ES256', '--emergency', '--activate'])).toMatchObject({
      code: 2,
    })
    expect(await type(['keys', 'rotate', 'HS256'])).toMatchObject({ code: 2 })
  })

  test('an emergency rotation asks for confirmation, and writes case reference and comment into the audit log', async () => {
    const [before] = await list()
    expect(await type(['keys', 'rotate', 'ES256', '--emergency'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--yes') as string,
    })
    expect(await type(['keys', 'rotate', 'ES256', '--emergency'], { answer: 'no' })).toMatchObject({
      code: 1,
    })
    expect(await list()).toEqual([before])
    const rotate = [
      'keys',
      'rotate',
      'ES256',
      '--emergency',
      '--case',
      'INC-9',
      '--comment',
      'leaked',
    ]
    expect(await type(rotate, { answer: 'yes' })).toMatchObject({
      code: 0,
      err: expect.stringContaining('every token') as string,
    })
    expect(await rig.store.listAudit({ act: 'key.rotate', limit: 1 })).toMatchObject([
      { caseReference: 'INC-9', comment: 'leaked' },
    ])
  })

  test('the audit log holds the states of the keys before and after', async () => {
    const [before] = await list()
    await type(['keys', 'rotate', 'ES256', '--emergency', '--yes'])
    const made = (await list()).find((key) => key.state === 'active')?.kid ?? ''
    const [rotated] = await rig.store.listAudit({ act: 'key.rotate', limit: 1 })
    expect(rotated?.ended?.result).toMatchObject({
      kid: made,
      changed: {
        [before?.kid ?? '']: { before: 'active', after: 'retired' },
        [made]: { after: 'active' },
      },
    })
    await type(['keys', 'rotate', 'ES256', '--activate'])
    await type(['keys', 'retire', made])
    const [retired] = await rig.store.listAudit({ act: 'key.retire', limit: 1 })
    expect(retired?.ended?.result).toEqual({
      changed: { [made]: { before: 'retiring', after: 'retired' } },
    })
  })

  test('the key that signs is not retired; one that does not, is', async () => {
    const [active] = await list()
    expect(await type(['keys', 'retire', active?.kid ?? ''])).toMatchObject({
      code: 1,
      err: expect.stringContaining('--emergency') as string,
    })
    await type(['keys', 'rotate', 'ES256', '--activate'])
    const announced = vi.spyOn(rig.feed, 'publishKeys')
    expect((await type(['keys', 'retire', active?.kid ?? ''])).code).toBe(0)
    expect(announced.mock.calls).toEqual([[[active?.kid]]])
    expect(rig.keys.jwks().keys.map((key) => key.kid)).not.toContain(active?.kid)
    expect(await type(['keys', 'retire', 'nobody'])).toMatchObject({ code: 1 })
  })

  test('a key that comes from a file is not rotated: the next one is put into the list of files', async () => {
    const file = join(rig.dir, 'es256.pem')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const own = await startCmb(await createRig({ config: { keyFiles: [file] } }))
    expect(await own.type(['keys', 'rotate', 'ES256', '--emergency', '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('Put the file of the next ES256 key first') as string,
    })
  })
})

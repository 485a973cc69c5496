import { createHmac, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/keys/sealer.ts'

const secret = () => randomBytes(32)

describe('sealing what is secret at rest', () => {
  const sealer = createSealer([secret()])

  test('a sealed value opens at its own place and nowhere else', () => {
    const sealed = sealer.seal('sessions/s_1/login_hint', 'O.alice')
    expect(sealer.open('sessions/s_1/login_hint', sealed)?.toString()).toBe('O.alice')
    expect(sealer.open('sessions/s_2/login_hint', sealed)).toBeUndefined()
    expect(sealer.open('sessions/s_1/microsoft_cache', sealed)).toBeUndefined()
    expect(sealer.open('authorization-request', sealed)).toBeUndefined()
  })

  test('the same value is never sealed to the same text, and shows nothing of itself', () => {
    const sealed = sealer.seal('a', 'plain text to be hidden')
    expect(sealer.seal('a', 'plain text to be hidden')).not.toBe(sealed)
    expect(Buffer.from(sealed, 'base64url').includes('plain text')).toBe(false)
  })

  test('bytes and the empty value come back as they were', () => {
    const bytes = randomBytes(1000)
    expect(sealer.open('a', sealer.seal('a', bytes))?.equals(bytes)).toBe(true)
    expect(sealer.open('a', sealer.seal('a', ''))).toHaveLength(0)
  })

  test('one changed bit anywhere, a cut, another version or rubbish opens nothing and throws nothing', () => {
    const sealed = Buffer.from(sealer.seal('a', 'value'), 'base64url')
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(sealer.open('a', changed.toString('base64url'))).toBeUndefined()
    }
    for (let length = 0; length < sealed.length; length++)
      expect(sealer.open('a', sealed.subarray(0, length).toString('base64url'))).toBeUndefined()
    for (const rubbish of [
      '',
      '.',
      'é',
      `${sealed.toString('base64url')}=`,
      ` ${sealed.toString('base64url')}`,
      'x'.repeat(10_000),
    ]) {
      expect(sealer.open('a', rubbish)).toBeUndefined()
    }
  })

  test('the first of several secrets seals, and all of them open: a secret can be rotated', () => {
    const old = secret()
    const fresh = secret()
    const before = createSealer([old]).seal('a', 'value')
    const both = createSealer([fresh, old])
    expect(both.open('a', before)?.toString()).toBe('value')
    const after = both.seal('a', 'value')
    expect(createSealer([fresh]).open('a', after)?.toString()).toBe('value')
    expect(createSealer([old]).open('a', after)).toBeUndefined()
  })

  test('MAC keys come current first, each with an id, one for each purpose', () => {
    const old = secret()
    const both = createSealer([secret(), old])
    const [current, previous] = both.macKeys('refresh-token')
    const mac = (key: NonNullable<typeof current>['key']) =>
      createHmac('sha256', key).update('x').digest('hex')
    expect(previous?.id).toBe(createSealer([old]).macKeys('refresh-token')[0]?.id)
    expect(current && previous && mac(current.key) === mac(previous.key)).toBe(false)
    expect(current && mac(current.key)).not.toBe(mac(both.macKeys('another')[0]!.key))
    expect(both.macKeys('refresh-token')[0]?.key).toBe(current?.key)
  })

  test('a secret of fewer than 32 bytes, or none, is rejected with what to do', () => {
    expect(() => createSealer([randomBytes(31)])).toThrow(/at least 32.*openssl rand/)
    expect(() => createSealer([])).toThrow(/BROKER_SECRET/)
  })
})

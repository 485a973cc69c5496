import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createSealer } from '../../src/keys/sealer.ts'
import { refreshTokens } from '../../src/provider/token/refresh-token.ts'

const secret = randomBytes(32)
const tokens = refreshTokens(createSealer([secret]))
const some = () => ({ familyId: randomBytes(16).toString('base64url'), generation: 1 })

describe('a refresh token is a MAC over family and generation', () => {
  test('what is written reads back, up to the last generation there can be', () => {
    for (const generation of [1, 2, 255, 65_536, 4_294_967_295]) {
      const token = { ...some(), generation }
      expect(tokens.read(tokens.write(token))).toEqual(token)
    }
    expect(tokens.write(some())).toMatch(/^cmr_[\w-]{75}$/)
  })

  test('the same family and generation give the same token: that is the same successor', () => {
    const token = some()
    expect(tokens.write(token)).toBe(tokens.write(token))
  })

  test('one changed letter anywhere, also in the bits that base64url leaves over, is not a token', () => {
    const token = tokens.write(some())
    for (let at = 0; at < token.length; at++) {
      for (const letter of ['A', 'B', '_', 'z']) {
        if (token[at] === letter) continue
        expect(tokens.read(token.slice(0, at) + letter + token.slice(at + 1))).toBeUndefined()
      }
    }
    const last = token.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    for (const letter of alphabet)
      if (letter !== last) expect(tokens.read(token.slice(0, -1) + letter)).toBeUndefined()
  })

  test('what another secret signed, another length, rubbish: no token, and nothing thrown', () => {
    const forged = refreshTokens(createSealer([randomBytes(32)])).write(some())
    const good = tokens.write(some())
    for (const text of [
      forged,
      good.slice(0, -1),
      `${good}A`,
      `${good}=`,
      ` ${good}`,
      good.slice(4),
      'cmr_',
      '',
      'x'.repeat(100_000),
    ])
      expect(tokens.read(text)).toBeUndefined()
  })

  test('after a rotation of the secret old tokens are valid and new ones are signed with the new one', () => {
    const fresh = randomBytes(32)
    const token = some()
    const both = refreshTokens(createSealer([fresh, secret]))
    expect(both.read(tokens.write(token))).toEqual(token)
    expect(refreshTokens(createSealer([fresh])).read(both.write(token))).toEqual(token)
    expect(tokens.read(both.write(token))).toBeUndefined()
  })
})

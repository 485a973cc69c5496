import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressIn } from '../../src/protocol/client-metadata.ts'

const DOMAINS = ['contoso.example', 'sub.contoso.example']
const domain = fc.oneof(
  fc.constantFrom(
    ...DOMAINS,
    'CONTOSO.example',
    'contoso.example.',
    'contoso.example.evil.example',
    'xcontoso.example',
    'contoso。example',
    '',
  ),
  fc.domain(),
)
const local = fc.oneof(
  fc.emailAddress(),
  fc.string({ maxLength: 70, unit: 'binary' }),
  fc.constantFrom('alice', 'Alice.Adams', 'a\u0000b', '<alice'),
)

test('an address is given only where it is one plain address whose whole domain is listed, and only the case of its domain changes', () => {
  fc.assert(
    fc.property(fc.tuple(local, domain), ([before, after]) => {
      const given = addressIn(`${before}@${after}`, DOMAINS)
      const plain = before.length > 0 && before.length <= 64 && !/[\s\p{Cc}@<>,;:"]/u.test(before)
      expect(given).toBe(
        plain && DOMAINS.includes(after.toLowerCase())
          ? `${before}@${after.toLowerCase()}`
          : undefined,
      )
    }),
    { numRuns: 2_000 },
  )
})

test('a line break after the domain makes it another one, and without a listed domain no address is given', () => {
  expect(addressIn('alice@contoso.example\n', DOMAINS)).toBeUndefined()
  expect(addressIn('alice@contoso.example', [])).toBeUndefined()
  expect(addressIn('alice@contoso.example', DOMAINS)).toBe('alice@contoso.example')
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Selector } from '../../src/protocol/revocation.ts'
import { decodeSelector, encodeSelector, selectorSchema } from '../../src/protocol/selector.ts'

const id = fc.string({ minLength: 1, maxLength: 200 })
const selector: fc.Arbitrary<Selector> = fc.oneof(
  fc.record({ kind: fc.constant('session' as const), sid: id }),
  fc.record({ kind: fc.constant('grant' as const), sid: id, clientId: id }),
  fc.record({ kind: fc.constant('subject' as const), sub: id }),
  fc.record({ kind: fc.constant('client' as const), clientId: id }),
  fc.record({ kind: fc.constant('tenant' as const), tid: fc.uuid() }),
  fc.record({ kind: fc.constant('everything' as const) }),
)

test('a selector survives the wire, with and without the members of other kinds beside it', () => {
  fc.assert(
    fc.property(selector, id, (a, b) => {
      const wire: unknown = JSON.parse(JSON.stringify(encodeSelector(a)))
      expect(decodeSelector(selectorSchema.parse(wire))).toEqual(a)
      expect(
        decodeSelector({
          sid: b,
          sub: b,
          client_id: b,
          tid: b,
          ...encodeSelector(a),
        }),
      ).toEqual(a)
    }),
  )
})

test('an unknown kind, a missing member and a member of another kind are rejected', () => {
  fc.assert(
    fc.property(selector, fc.string(), id, (original, kind, extra) => {
      const wire = encodeSelector(original)
      if (kind !== original.kind) {
        expect(selectorSchema.safeParse({ ...wire, kind }).success).toBe(false)
      }
      expect(selectorSchema.safeParse({ ...wire, clientId: extra }).success).toBe(false)
      expect(decodeSelector({ ...wire, kind: `${kind}?` })).toBeUndefined()
      for (const member of Object.keys(wire)) {
        const { [member as keyof typeof wire]: _, ...rest } = wire
        expect(selectorSchema.safeParse(rest).success).toBe(false)
        if (member !== 'kind')
          expect(decodeSelector({ ...rest, kind: original.kind })).toBeUndefined()
      }
    }),
  )
})

test('the tenant of a selector is compared in lower case', () => {
  const tid = '6F0C2D0E-7A43-4A52-9B1D-2F8F6A3C9E11'
  expect(decodeSelector({ kind: 'tenant', tid })).toEqual({
    kind: 'tenant',
    tid: tid.toLowerCase(),
  })
})

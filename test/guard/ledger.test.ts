import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { covers, type Bearer, type Entry, type Selector } from '@case-manager/guard'
import { Ledger } from '../../guard/src/ledger.ts'

const name = fc.constantFrom('a', 'b', 'c')
const selector: fc.Arbitrary<Selector> = fc.oneof(
  fc.record({ kind: fc.constant('session' as const), sid: name }),
  fc.record({ kind: fc.constant('grant' as const), sid: name, client_id: name }),
  fc.record({ kind: fc.constant('subject' as const), sub: name }),
  fc.record({ kind: fc.constant('client' as const), client_id: name }),
  fc.record({ kind: fc.constant('tenant' as const), tid: name }),
  fc.record({ kind: fc.constant('everything' as const) }),
)
const entry: fc.Arbitrary<Entry> = fc.record({
  seq: fc.nat(50),
  selector,
  exp: fc.integer({ min: 100, max: 200 }),
})
const bearer: fc.Arbitrary<Bearer> = fc.record({
  sid: fc.option(name, { nil: undefined }),
  sub: name,
  client_id: name,
  tid: fc.option(name, { nil: undefined }),
  rev: fc.nat(50),
})

const fill = (entries: Entry[], cap = 1000): Ledger => {
  const ledger = new Ledger(cap)
  for (const known of entries) ledger.add(known)
  return ledger
}

describe('the ledger of what a guard enforces', () => {
  test('says of every bearer what the entries say one by one, in whatever order and however often they came', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 30 }),
        fc.array(bearer, { minLength: 1, maxLength: 20 }),
        fc.nat(),
        (entries, bearers, turn) => {
          const turned = [...entries.slice(turn % (entries.length + 1)), ...entries].reverse()
          for (const token of bearers) {
            const expected = entries.some((revocation) => covers(revocation, token))
              ? 'revoked'
              : undefined
            expect(fill(entries).covers(token)).toBe(expected)
            expect(fill(turned).covers(token)).toBe(expected)
          }
        },
      ),
    )
  })

  test('over its cap it rejects more than it must and never less, and holds no more than it may', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 60 }),
        fc.array(bearer, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 2, max: 8 }),
        (entries, bearers, cap) => {
          const ledger = fill(entries, cap)
          expect(ledger.size).toBeLessThanOrEqual(cap)
          for (const token of bearers)
            if (entries.some((revocation) => covers(revocation, token)))
              expect(ledger.covers(token)).toBeDefined()
        },
      ),
    )
  })

  test('forgets nothing before it has expired, a cutoff neither', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 40 }),
        bearer,
        fc.integer({ min: 100, max: 200 }),
        fc.integer({ min: 2, max: 50 }),
        (entries, token, now, cap) => {
          const ledger = fill(entries, cap)
          ledger.sweep(now)
          if (entries.some((revocation) => revocation.exp >= now && covers(revocation, token)))
            expect(ledger.covers(token)).toBeDefined()
        },
      ),
    )
  })

  test('its version changes whenever a verdict may have become worse', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 30 }), bearer, (entries, token) => {
        const ledger = new Ledger(5)
        for (const revocation of entries) {
          const before = { version: ledger.version, good: ledger.covers(token) === undefined }
          ledger.add(revocation)
          if (before.good && ledger.covers(token) !== undefined)
            expect(ledger.version).not.toBe(before.version)
        }
      }),
    )
  })

  test('knows what is of a former log, however many logs began since', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(50), { minLength: 1, maxLength: 250 }),
        fc.record({ rev: fc.nat(50), iat: fc.nat(250) }),
        (beginnings, token) => {
          const ledger = new Ledger(10)
          for (const [at, seq] of beginnings.entries()) ledger.turned(seq, at)
          const isFormer = beginnings.some((seq, at) => token.rev > seq && token.iat < at)
          expect(ledger.isOfFormerLog(token)).toBe(isFormer)
        },
      ),
    )
  })

  test('tells a hundred beginnings of a log apart, and takes more than it must for a former log after them', () => {
    const ledger = new Ledger(10)
    for (let seq = 1; seq <= 1000; seq++) ledger.turned(seq, seq)
    expect(ledger.isOfFormerLog({ rev: 2, iat: 0 })).toBe(true)
    expect(ledger.isOfFormerLog({ rev: 950, iat: 948 })).toBe(true)
    expect(ledger.isOfFormerLog({ rev: 950, iat: 949 })).toBe(false)
  })

  test('knows what is of a former log also after a clock was ahead for a while', () => {
    const ledger = new Ledger(10)
    ledger.turned(40, 1000)
    ledger.sweep(1000 + 200 * 86_400)
    expect(ledger.isOfFormerLog({ rev: 90, iat: 999 })).toBe(true)
  })

  test('remembers by when it has forgotten entries while everything is read again', () => {
    const ledger = new Ledger(10)
    ledger.sweep(500)
    ledger.refill()
    expect(ledger.sweptAt).toBe(500)
    ledger.sweep(100)
    ledger.refilled()
    expect(ledger.sweptAt).toBe(100)
  })

  test('a hundred thousand revocations and more cost what the cap costs', () => {
    const ledger = new Ledger(10_000)
    for (let seq = 1; seq <= 200_000; seq++)
      ledger.add({ seq, selector: { kind: 'session', sid: `s_${seq}` }, exp: 1000 })
    expect(ledger.size).toBeLessThanOrEqual(10_000)
    expect(ledger.covers({ sid: 's_200000', rev: 199_999 })).toBe('revoked')
    expect(ledger.covers({ sid: 's_1', rev: 0 })).toBe('cutoff')
    expect(ledger.covers({ sid: 's_1', rev: 200_000 })).toBeUndefined()
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonical,
  chainProblem,
  type Link,
  linkHash,
  NOTHING_BEFORE,
  personalHash,
} from '../../src/protocol/evidence-chain.ts'

const fields = fc.dictionary(
  fc.string({ maxLength: 5 }),
  fc.oneof(fc.string(), fc.integer(), fc.constant(null)),
  { maxKeys: 3 },
)
const rows = fc.array(fc.record({ fields, personal: fc.string(), begin: fc.boolean() }), {
  minLength: 1,
  maxLength: 8,
})

function chainOf(list: typeof rows extends fc.Arbitrary<infer T> ? T : never): Link[] {
  const links: Link[] = []
  let [number, before] = [0, NOTHING_BEFORE]
  for (const { fields: own, personal, begin } of list) {
    number += begin ? 10 : 1
    const link = {
      number,
      kind: begin ? ('begin' as const) : ('row' as const),
      fields: own,
      personal: begin ? undefined : personal,
    }
    before = linkHash('audit', before, link)
    links.push({ ...link, hash: before })
  }
  return links
}

const START = { number: 0, hash: NOTHING_BEFORE }
const headOf = (links: readonly Link[]) => ({
  number: links.at(-1)?.number ?? 0,
  hash: links.at(-1)?.hash ?? '',
})

type Damage = (links: Link[], at: number, other: number) => Link[]
const DAMAGES: Record<string, Damage> = {
  removal: (links, at) => links.toSpliced(at, 1),
  repetition: (links, at) => links.flatMap((link, i) => (i === at ? [link, link] : [link])),
  reordering: (links, at, other) =>
    links.with(at, links[other] as Link).with(other, links[at] as Link),
  'a changed field': (links, at) =>
    links.map((link, i) =>
      i === at ? { ...link, fields: { ...link.fields, reason: 'another' } } : link,
    ),
  'changed personal fields': (links, at) =>
    links.map((link, i) => (i === at ? { ...link, personal: `${link.personal ?? ''}x` } : link)),
  'a changed number': (links, at) =>
    links.map((link, i) => (i === at ? { ...link, number: link.number + 1 } : link)),
  'a changed hash': (links, at) =>
    links.map((link, i) => (i === at ? { ...link, hash: linkHash('audit', 'x', link) } : link)),
  'a changed row with a hash of its own': (links, at) =>
    links.map((link, i) => {
      if (i !== at) return link
      const changed = { ...link, fields: { ...link.fields, reason: 'another' } }
      return { ...changed, hash: linkHash('audit', links[at - 1]?.hash ?? NOTHING_BEFORE, changed) }
    }),
}

describe('the chain of a log (docs/evidence.md)', () => {
  test('a chain as it was written has no problem', () => {
    fc.assert(
      fc.property(rows, (list) => {
        const links = chainOf(list)
        expect(chainProblem('audit', START, links, headOf(links))).toBeUndefined()
      }),
    )
  })

  test.each(Object.entries(DAMAGES))('%s of any row is found', (_, damage) => {
    fc.assert(
      fc.property(rows, fc.nat(), fc.nat(), (list, n, m) => {
        const links = chainOf(list)
        const at = n % links.length
        const damaged = damage(links, at, m % links.length)
        fc.pre(canonical(damaged as never) !== canonical(links as never))
        expect(chainProblem('audit', START, damaged, headOf(links))).toBeDefined()
      }),
    )
  })

  test('the chain of another log, and a stretch that begins elsewhere, do not verify', () => {
    const links = chainOf([{ fields: {}, personal: '', begin: false }])
    expect(chainProblem('revocations', START, links, headOf(links))).toBeDefined()
    expect(chainProblem('audit', { number: 0, hash: 'x' }, links, headOf(links))).toBeDefined()
  })

  test('equal values have one canonical form, different values have different ones', () => {
    fc.assert(
      fc.property(fields, (value) => {
        expect(canonical(Object.fromEntries(Object.entries(value).toReversed()))).toBe(
          canonical(value),
        )
        expect(JSON.parse(canonical(value))).toEqual({ ...value })
      }),
    )
    expect(personalHash('s', { a: null, b: 'x' })).not.toBe(personalHash('s', { a: 'x', b: null }))
    expect(personalHash('s', { a: 'x' })).not.toBe(personalHash('t', { a: 'x' }))
  })
})

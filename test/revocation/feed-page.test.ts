import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { readCases } from '../../guard/src/conformance/kit.ts'
import type { Content, Description } from '../../src/protocol/described.ts'
import { ANCHOR, FOLLOW, REPORT, reportSchema } from '../../src/revocation/feed-described.ts'
import { blocksOf, ROOT } from '../markdown.ts'

/** docs/feed.md, /openapi.json and the conformance kit say the same. */

const page = readFileSync(join(ROOT, 'docs/feed.md'), 'utf8')
const sections = new Map(
  page.split(/^##+ /m).map((part) => {
    const [heading = '', ...lines] = part.split('\n')
    return [heading, lines.join('\n')]
  }),
)
const section = (begin: string): string =>
  [...sections].find(([heading]) => heading.startsWith(begin))?.[1] ?? ''
/** Returns the first column of a table after the ids of its rules, where it is code. */
const rows = (text: string): { names: string[]; line: string }[] =>
  [...text.matchAll(/^\| (?:\*\*[A-Z]+\d+\*\* \| )?(`[^|]*`) \|.*$/gm)].map(
    ([line, cell = '']) => ({
      line,
      names: [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    }),
  )
const examples = blocksOf('docs/feed.md')
  .filter(({ language }) => language === 'json')
  .map(({ text }) => JSON.parse(text.replace('[ … ]', '[]')) as Record<string, unknown>)
const example = (...members: string[]) =>
  examples.find((each) => members.every((name) => name in each)) ?? {}
const answerOf = ({ answers }: Description): z.ZodObject =>
  (answers[200]?.[1] as Content | undefined)?.['application/json'] as z.ZodObject

describe('docs/feed.md and the API document', () => {
  test('name the same events', () => {
    const [, listed = ''] = /^Events: ([^.]*)\./.exec(FOLLOW.description ?? '') ?? []
    const events = rows(section('Follow')).flatMap(({ names }) => names)
    expect(events.sort()).toEqual(listed.split(', ').sort())
  })

  test('name the same parameters, with the same names of guards', () => {
    for (const name of Object.keys(FOLLOW.query?.shape ?? {}))
      expect(section('Follow') + section('Poll')).toContain(`\`${name}\``)
    for (const name of Object.keys(FOLLOW.headers?.shape ?? {}))
      expect(section('Follow')).toContain(`\`${name}\``)
    expect(section('The lease')).toContain('`nonce` is 16 to 64')
    const nonce = ANCHOR.query?.shape['nonce'] as z.ZodType
    expect([15, 16, 64, 65].map((n) => nonce.safeParse('n'.repeat(n)).success)).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(section('Follow')).toContain('1 to 64 of `A-Z a-z 0-9 . _ -`')
    const { guard } = reportSchema.shape
    expect(
      ['', 'a', 'a'.repeat(64), 'a'.repeat(65), 'a/b'].map((id) => guard.safeParse(id).success),
    ).toEqual([false, true, true, false, false])
  })

  test('describe the same answers', () => {
    const poll = answerOf(FOLLOW)
    const shown = example('entries', 'lease')
    expect(Object.keys(shown).sort()).toEqual(Object.keys(poll.shape).sort())
    expect(
      poll.safeParse({ ...shown, entries: [example('selector', 'exp')] }).error,
    ).toBeUndefined()
    const anchor = Object.keys(answerOf(ANCHOR).shape)
    expect(/answers `(\{"clock[^`]*\})`/.exec(section('The lease'))?.[1]).toBeDefined()
    const [, text = '{}'] = /answers `(\{"clock[^`]*\})`/.exec(section('The lease')) ?? []
    expect(Object.keys(JSON.parse(text) as object)).toEqual(anchor)
  })

  test('name the same members of a report, and the same as required', () => {
    const { shape } = reportSchema
    const members = Object.entries(shape).filter(([name]) => !name.startsWith('client_assertion'))
    const described = rows(section('Report'))
    expect(described.flatMap(({ names }) => names).sort()).toEqual(
      members.map(([name]) => name).sort(),
    )
    for (const [name, schema] of members)
      expect(described.find(({ names }) => names.includes(name))?.line).toContain(
        schema.safeParse(undefined).success ? '| optional' : '| required',
      )
    expect(reportSchema.strict().safeParse(example('epoch', 'guard')).error).toBeUndefined()
    for (const status of Object.keys(REPORT.answers).filter((key) => /204|400|409/.test(key)))
      expect(section('Report')).toContain(`\`${status}\``)
  })
})

describe('docs/feed.md and the conformance kit', () => {
  const cases = readCases()

  test('each case that the kit’s guide names is one of the kit', () => {
    const guide = readFileSync(
      new URL('../../guard/conformance/README.md', import.meta.url),
      'utf8',
    )
    const names = [...guide.matchAll(/`((?:feed|access-token|logout-token)\/[^`]+)`/g)].map(
      ([, name = '']) => name,
    )
    expect(names.length).toBeGreaterThan(30)
    // A star stands for the rest of the names of several cases.
    const isMeant = (name: string, by: string): boolean =>
      by.endsWith('*') ? name.startsWith(by.slice(0, -1)) : name === by
    expect(names.filter((by) => !cases.some(({ name }) => isMeant(name, by)))).toEqual([])
  })

  test('each section that a case names is one of the page', () => {
    const missing = cases.filter(
      ({ section: named }) =>
        named !== undefined && section(named) === '' && named !== 'The revocation feed',
    )
    expect(missing.map(({ name }) => name)).toEqual([])
  })
})

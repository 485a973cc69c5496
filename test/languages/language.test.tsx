import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { BUILT_IN, type Language, readLanguage } from '../../src/config/languages/language.ts'
import { textsIn } from '../../src/config/languages/texts.ts'

/**
 * A file of a language that an operator brings: what is wrong with it, and what a page shows of it.
 */

const ABOUT = {
  language: 'nl',
  name: 'Nederlands',
  direction: 'ltr',
  locale: 'nl-NL',
  reviewed: true,
  texts: {},
}

function readContent(content: string): { language: Language | undefined; problems: string[] } {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-language-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'nl.json')
  writeFileSync(file, content)
  const problems: string[] = []
  return {
    language: readLanguage(file, (problem) => problems.push(problem.replace(file, 'nl.json'))),
    problems,
  }
}

const readAs = (changes: object) => readContent(JSON.stringify({ ...ABOUT, ...changes }))

/** A language that has these texts alone, for a product whose name needs escaping. */
function dutch(texts: object) {
  const { language = expect.unreachable(), problems } = readAs({ texts })
  expect(problems).toEqual([])
  return textsIn(language, 'Cases & Co')
}

describe('what is wrong is reported with file and key', () => {
  test.each([
    ['{"language": nl}', 'names nl.json, which is not valid JSON'],
    ['[]', 'names nl.json: the file must be an object'],
    ['null', 'names nl.json: the file must be an object'],
  ])('%s', (content, problem) =>
    expect(readContent(content)).toEqual({ language: undefined, problems: [problem] }),
  )

  test('a file that cannot be read', () => {
    const problems: string[] = []
    expect(readLanguage('/nowhere/nl.json', (problem) => problems.push(problem))).toBeUndefined()
    expect(problems).toEqual(['names /nowhere/nl.json, which cannot be read: ENOENT'])
  })

  test.each([
    ['language', [undefined, '', 'NL', 'nl-BE', 'en', 7]],
    ['name', [undefined, '', 'x'.repeat(61)]],
    ['direction', [undefined, 'left', 'RTL']],
    ['locale', [undefined, '', 'nl_NL', 7]],
    ['reviewed', [undefined, 'no']],
    ['texts', [undefined, 'none', []]],
  ])('%s', (key, values) => {
    for (const value of values) {
      const { language, problems } = readAs({ [key]: value })
      expect([value, language, problems]).toEqual([
        value,
        undefined,
        [expect.stringMatching(new RegExp(`^names nl\\.json: ${key} must`))],
      ])
    }
  })

  test.each([
    ['Naar {app', 'is not in ICU MessageFormat (EXPECT_ARGUMENT_CLOSING_BRACE)'],
    ['{devices, plural, one {# app}}', 'is not in ICU MessageFormat (MISSING_OTHER_CLAUSE)'],
    ['Naar {apps}', 'has the placeholder {apps}. The English text has {app}'],
    ['Naar {constructor}', 'has the placeholder {constructor}. The English text has {app}'],
    ['{app, plural, other {Naar #}}', 'uses {app} in a form that it cannot have: write {app}'],
    [
      '{app, select, a {A} other {Naar {app}}}',
      'uses {app} in a form that it cannot have: write {app}',
    ],
    ['{app, date, short}', 'uses {app} in a form that it cannot have: write {app}'],
    [7, 'must be a text'],
    [{ one: 'Naar' }, 'must be a text'],
  ])('a text: %j', (back, problem) => {
    const { problems } = readAs({ texts: { reply: { back } } })
    expect(problems).toEqual([`names nl.json: texts.reply.back ${problem}`])
  })

  test.each([
    [
      '{devices, number, percent}',
      'uses {devices} in a form that it cannot have: write {devices} or {devices, plural, …}',
    ],
    [
      '{devices, plural, one {# {kind}} other {#}}',
      'has the placeholder {kind}. The English text has {devices}',
    ],
  ])('a text that counts: %s', (devices, problem) => {
    expect(readAs({ texts: { home: { devices } } }).problems).toEqual([
      `names nl.json: texts.home.devices ${problem}`,
    ])
  })

  test('a text where a group of them belongs', () => {
    expect(readAs({ texts: { reply: 'Naar' } }).problems).toEqual([
      'names nl.json: texts.reply must be a group of texts',
    ])
  })

  test('everything at once', () => {
    const { problems } = readAs({
      direction: 'up',
      reviewed: 1,
      texts: { home: { title: '{' }, nothing: { home: '{x}' } },
    })
    expect(problems.map((problem) => problem.split(' ')[2])).toEqual([
      'direction',
      'reviewed',
      'texts.home.title',
      'texts.nothing.home',
    ])
  })
})

describe('a file of another version', () => {
  test('shows a text that it lacks in English, and names what it lacks and what this version does not have', () => {
    const texts = {
      home: { title: 'Uw apps', subtitle: 'Alle' },
      guidance: { locked: { read: ['Gesloten.', 'Wacht.'] } },
      toString: 'x',
    }
    const { language = expect.unreachable(), problems } = readAs({ texts })
    expect(problems).toEqual([])
    const t = textsIn(language, 'Cases')
    expect([t.home.title, t.home.intro]).toEqual([
      'Uw apps',
      'Sign in once with your work account, and open every Cases of your organization.',
    ])
    expect(t.guidance.locked).toEqual({
      title: 'Your account is locked for now',
      read: ['Gesloten.'],
    })
    expect(language.unknown.toSorted()).toEqual([
      'texts.guidance.locked.read.1',
      'texts.home.subtitle',
      'texts.toString',
    ])
    expect(language.missing).toEqual(
      expect.arrayContaining(['texts.home.intro', 'texts.guidance.locked.title']),
    )
    expect(language.missing).not.toContain('texts.home.title')
  })

  test('the forms of a number in English stand in it as they are', () => {
    expect([1, 2].map((devices) => dutch({}).home.devices({ devices }))).toEqual([
      'Signed in on 1 device',
      'Signed in on 2 devices',
    ])
  })
})

describe('a text', () => {
  // oxlint-disable-next-line typescript/no-base-to-string -- a JSX node renders itself by toString
  const html = (node: unknown): string => String(<p>{node as string}</p>)

  test('shows markup in it as text, whether values are text or markup', () => {
    const script = '<script src="https://evil.example"></script>'
    const t = dutch({
      home: { title: script },
      reply: { back: `<b onclick="x">{app}</b>` },
      consent: { signedInAs: `<img src=x> {who} &amp; ${script}` },
    })
    const escaped = '&lt;script src=&quot;https://evil.example&quot;&gt;&lt;/script&gt;'
    expect(html(t.home.title)).toBe(`<p>${escaped}</p>`)
    expect(html(t.reply.back({ app: '<i>A</i>' }))).toBe(
      '<p>&lt;b onclick=&quot;x&quot;&gt;&lt;i&gt;A&lt;/i&gt;&lt;/b&gt;</p>',
    )
    expect(html(t.consent.signedInAs({ who: <strong>{'<A>'}</strong> }))).toBe(
      `<p>&lt;img src=x&gt; <strong>&lt;A&gt;</strong> &amp;amp; ${escaped}</p>`,
    )
  })

  test('may name the product, leave a value out, and quote braces', () => {
    const t = dutch({
      home: { title: '{product}' },
      reply: { back: 'Terug' },
      nothing: { what: "'{product}' is het niet" },
    })
    expect(html(t.home.title)).toBe('<p>Cases &amp; Co</p>')
    expect(t.reply.back({ app: 'Sydney' })).toBe('Terug')
    expect(t.nothing.what).toBe('{product} is het niet')
  })

  test('takes the values that its English text has placeholders for: the compiler rejects others', () => {
    const t = textsIn(BUILT_IN, 'Case Manager')
    expect(t.reply.title satisfies string).toBe('Returning to Case Manager')
    expect(t.signOut.signedInAs({ who: 'Alice', device: 'Firefox' }) satisfies string).toBe(
      'Signed in as Alice on Firefox.',
    )
    expect(t.home.devices({ devices: 1234 }) satisfies string).toBe('Signed in on 1,234 devices')
    // @ts-expect-error -- A value is missing.
    expect(() => t.signOut.signedInAs({ who: 'Alice' })).toThrow('device')
    // @ts-expect-error -- There is no such value.
    t.reply.back({ app: 'Sydney', who: 'Alice' })
    // @ts-expect-error -- The forms of a number need one.
    t.home.devices({ devices: 'two' })
    // @ts-expect-error -- A text without placeholders is a string.
    expect(() => t.home.title({})).toThrow()
    // @ts-expect-error -- With markup among its values it is no string.
    void (t.consent.signedInAs({ who: <strong>Alice</strong> }) satisfies string)
  })
})

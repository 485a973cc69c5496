import { describe, expect, test } from 'vitest'

/** The words of our texts (scripts/prose.mjs): `npm run prose` lists what this test finds. */

interface Prose {
  findings(path: string, text: string): { line: number; word: string; better: string }[]
  findingsInCode(text: string): { line: number; word: string; better: string }[]
  longLines(text: string): number[]
  texts(): string[]
  sources(): string[]
  report(): string[]
}
const { findings, findingsInCode, longLines, texts, sources, report } = (await import(
  new URL('../../scripts/prose.mjs', import.meta.url).href
)) as Prose
const found = (path: string, text: string): string[] =>
  findings(path, text).map(({ line, word }) => `${line} ${word}`)

describe('the words of our texts', () => {
  test('are those of the glossary: each other word is reported with its file, line and the better one', () => {
    expect(report()).toEqual([])
    expect(texts()).toEqual(
      expect.arrayContaining([
        'README.md',
        'SECURITY.md',
        'CHANGELOG.md',
        'docs/runbook.md',
        'src/config/languages/texts/en.ts',
      ]),
    )
    expect(sources()).toEqual(
      expect.arrayContaining([
        'src/start.ts',
        'test/rig.ts',
        'workers/deliver.ts',
        'src/pages/broker.css',
      ]),
    )
  })

  test('comments and names of tests have the same words; the code beside them keeps its own', () => {
    const code = [
      "const owed = 'nobody' // Nobody reads it.",
      '/** This is owed: `owed`',
      ' * and who is told. */',
      "test('somebody signs in', () => told('somebody'))",
      "test.each([1, 2])('%s is owed', () => {})",
      "describe.skipIf(owed)('people', () => {})",
      "const glob = 'src/**/owed/*.ts'",
    ].join('\n')
    const found = findingsInCode(code).map(({ line, word }) => `${line} ${word}`)
    expect(found).toEqual(['1 Nobody', '2 owed', '3 is told', '4 somebody', '5 owed', '6 people'])
  })

  test('a comment that begins as a fragment is reported, and a line that continues one is not', () => {
    const code = [
      "const a = 'x' // Of the session alone.",
      '/**',
      ' * Whether it is live.',
      ' */',
      '// The rows are kept.',
      '// As long as they are read.',
      '/* In which order? */',
      '/** Asks whether it is live. Of two, the first. */',
      "const b = 'What is it?'",
      '/** @returns the row */',
      '/** Reads the row. @returns undefined if there is none */',
    ].join('\n')
    const found = findingsInCode(code).map(({ line, word }) => `${line} ${word}`)
    expect(found).toEqual(['1 Of', '2 Whether', '7 In which', '10 @returns'])
  })

  test('a word is found as a whole word, in any case, with its line', () => {
    expect(found('a.md', 'Fine.\n\nNobody mends what is owed.\nIt is told apart.')).toEqual([
      '3 owed',
      '3 Nobody',
      '3 mends',
    ])
    expect(findings('a.md', 'They honour it.')).toEqual([
      { line: 1, word: 'honour', better: 'the American spelling: -or' },
    ])
  })

  test('a line has at most 120 characters, but for code, headings, tables and what nothing can break', () => {
    const long = 'word '.repeat(30)
    expect(
      longLines(
        `${long}\n\n- ${long}\n# ${long}\n| ${long} |\n\`\`\`sh\n${long}\n\`\`\`\n1. \`${long}\`\n(https://${'x'.repeat(130)})`,
      ),
    ).toEqual([1, 3])
  })

  test('code keeps its words, and what follows it keeps its line', () => {
    expect(
      found(
        'a.md',
        '`owed` and [a link](people.md) and <whoever>\n```sh\ncmb people erase\n```\nowed',
      ),
    ).toEqual(['5 owed'])
    expect(found('a.yml', 'alert: A\n  expr: |\n      owed > 0\n  summary: owed')).toEqual([
      '4 owed',
    ])
    expect(found('a.ts', "/** Nobody\n reads it. */\nconst a = 'owed' // somebody")).toEqual([
      '3 owed',
    ])
  })
})

// `npm run prose`: finds the words that our texts do not use, and says which to use; and lines that are too long. The terms are those of docs/glossary.md.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/** What a text does not say, and what it says instead. Whole words, without regard to case. */
const WORDS = [
  ['owed|owing', 'pending'],
  ['(?:is|are|was|were|be|been|being) told(?! apart)', 'delivered, informed, gets'],
  ['given up', 'failed'],
  ['(?:tried|said) again', 'retried'],
  ['be(?:gin|gun) anew', 'start again'],
  ['letter by letter', 'exact match'],
  ['nobody|somebody|anybody|everybody|whoever|people', 'the user, the operator, the client, the attacker'],
  ['mend(?:s|ed|ing)?', 'fix'],
  ['stands', 'is'],
  ['slips?', 'mistake, invalid value'],
  ['doors?|ways? in', 'endpoint, interface'],
  ['blacklist\\w*|whitelist\\w*', 'block list, allow-list'],
  ['invalidat\\w+', 'revoke, expire'],
  ['for ever', 'forever'],
  ['(?:honour|behaviour|colour|favour|neighbour|endeavour)\\w*', 'the American spelling: -or'],
  ['(?:organis|recognis|authoris|initialis|normalis|serialis|summaris|synchronis|minimis|customis)\\w*', 'the American spelling: -ize'],
  ['centres?|licence|catalogue|cancelled|cancelling|labelled|misspelt|whilst|grey|artefacts?|programme', 'the American spelling'],
]
const RULES = WORDS.map(([words, better]) => ({ better, pattern: new RegExp(String.raw`\b(?:${words})\b`, 'gi') }))

const blank = (block) => block.replaceAll(/[^\n]/g, ' ')
/** Code keeps its words, and lines stay lines. */
const withoutCode = {
  md: (text) => text.replace(/^( *)```[^]*?^\1```/gm, blank).replace(/`[^`\n]*`|\]\([^)\n]*\)|<[^>\n]*>/g, ''),
  yml: (text) => text.replace(/^( *)expr: .*\n(?:\1 +.*\n)*/gm, blank),
  tsx: (text) => text.replace(/\/\*[^]*?\*\/|\/\/ .*/g, blank),
}

/** @returns the line, the word found and the better one, in the order of the text */
export function findings(path, text) {
  return withoutCode[/\w+$/.exec(path)[0]](text)
    .split('\n')
    .flatMap((line, index) =>
      RULES.flatMap(({ pattern, better }) => [...line.matchAll(pattern)].map(([word]) => ({ line: index + 1, word, better }))),
    )
}

const WIDTH = 120
/** A line that nothing can break, an address or a command for instance, may be longer; a row of a table, a heading and code too. @returns the lines that are too long */
export function longLines(text) {
  const breakable = (line) => / /.test(line.replace(/^\s*(?:[-*]|\d+\.)\s+/, '').replaceAll(/`[^`]*`/g, 'code'))
  return text
    .replace(/^( *)```[^]*?^\1```/gm, blank)
    .split('\n')
    .flatMap((line, index) => (line.trimEnd().length > WIDTH && !/^[|#]/.test(line) && breakable(line) ? [index + 1] : []))
}

const inside = (folder, pattern) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))

/** The texts that users, operators and developers read. The words of a decision record are not changed. */
export function texts() {
  const guides = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    .filter((one) => one.isDirectory())
    .flatMap(({ name }) => inside(join('examples', name), /\.md$/))
  return [
    ...inside('.', /\.md$/),
    ...inside('docs', /\.(?:md|yml)$/),
    ...inside('guard', /\.md$/),
    ...inside('guard/conformance', /\.md$/),
    ...inside('broker-dev', /\.md$/),
    ...guides,
    'src/page/texts/en.tsx',
  ]
}

const read = (path) => readFileSync(join(ROOT, path), 'utf8')

export const report = () => [
  ...texts().flatMap((path) => findings(path, read(path)).map(({ line, word, better }) => `${path}:${line}: "${word}". Say: ${better}.`)),
  ...[...texts().filter((path) => path.endsWith('.md')), ...inside('docs/decisions', /\.md$/)].flatMap((path) =>
    longLines(read(path)).map((line) => `${path}:${line}: longer than ${WIDTH} characters. Break it.`),
  ),
]

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = report()
  for (const line of found) console.log(line)
  process.exitCode = found.length > 0 ? 1 : 0
}

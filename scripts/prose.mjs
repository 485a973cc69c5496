// `npm run prose`: finds words that our texts, comments and test names must not use, with their
// replacements, and lines that are too long. The terms are those of docs/glossary.md.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Words that a text must not use, with their replacement. They match whole words, without regard to
 * case.
 */
const WORDS = [
  ['owe[sd]?|owing', 'pending'],
  ['(?:is|are|was|were|be|been|being) told(?! apart)', 'delivered, informed, gets'],
  ['given up', 'failed'],
  // TCP and its error codes say "connection refused".
  [
    String.raw`(?<!connections? (?:is |are |was |were |that is )?)refus(?:e[sd]?|ing|als?)(?! connection)`,
    'reject',
  ],
  ['(?:tried|said) again', 'retried'],
  ['anew', 'again'],
  ['letter by letter', 'exact match'],
  [
    'nobody|somebody|anybody|everybody|whoever|people',
    'the user, the operator, the client, the attacker',
  ],
  ['mend(?:s|ed|ing)?', 'fix'],
  ['stands(?! (?:in|for)\\b)', 'is'],
  ['slips?', 'mistake, invalid value'],
  ['rooms|doors?|ways? in(?! which)', 'module, endpoint, interface'],
  ['blacklist\\w*|whitelist\\w*', 'block list, allow-list'],
  ['invalidat\\w+', 'revoke, expire'],
  ['for ever', 'forever'],
  ['(?:honour|behaviour|colour|favour|neighbour|endeavour)\\w*', 'the American spelling: -or'],
  [
    '(?:organis|recognis|authoris|initialis|normalis|serialis|summaris|synchronis|minimis|customis)\\w*',
    'the American spelling: -ize',
  ],
  [
    'centres?|licence|catalogue|cancelled|cancelling|labelled|misspelt|whilst|grey|artefacts?|programme',
    'the American spelling',
  ],
]
const RULES = WORDS.map(([words, better]) => ({
  better,
  pattern: new RegExp(String.raw`\b(?:${words})\b`, 'gi'),
}))

const blank = (block) => block.replaceAll(/[^\n]/g, ' ')
/** Blanks out code, whose words are free, and keeps the line numbers. */
const withoutCode = {
  md: (text) =>
    text.replace(/^( *)```[^]*?^\1```/gm, blank).replace(/`[^`\n]*`|\]\([^)\n]*\)|<[^>\n]*>/g, ''),
  yml: (text) => text.replace(/^( *)expr: .*\n(?:\1 +.*\n)*/gm, blank),
  ts: (text) => text.replace(/\/\*[^]*?\*\/|\/\/ .*/g, blank),
}

/** Returns each forbidden word with its line and its replacement, in the order of the text. */
export const findings = (path, text) => wordsIn(withoutCode[/\w+$/.exec(path)[0]](text))

function wordsIn(text) {
  return text
    .split('\n')
    .flatMap((line, index) =>
      RULES.flatMap(({ pattern, better }) =>
        [...line.matchAll(pattern)].map(([word]) => ({ line: index + 1, word, better })),
      ),
    )
}

const COMMENT = String.raw`(?=/\*)(?<=^|[\s({])/\*[^]*?\*/|(?=// )(?<=^|\s)// .*`
const NAME = String.raw`(?=['"])(?<=\b(?:test|describe)(?:\.\w+)*(?:\([^()\n]*\))?\(\s*|\]\)\(\s*)(?:'(?:\\.|[^'\\\n])*'|"[^"\n]*")`
const COMMENTS_AND_NAMES = new RegExp(`${COMMENT}|${NAME}`, 'gm')

/**
 * Returns the forbidden words in comments and test names, and the comments that begin as fragments.
 * Words quoted as code are free.
 */
export const findingsInCode = (text) => [...wordsIn(sentences(text)), ...fragmentsIn(text)]

const FRAGMENT =
  /^(?:\/\*+|\/\/)[\s*]*(@(?:param|returns|throws)|Of|What|Which|Whose|Whether|Until|None|As|That|Where|For what|(?:At|By|From|In|To|With) which)\b/
const WHOLE = 'a whole sentence, or one noun phrase'

/** Returns the comments whose first word begins no sentence, or that only have tags. */
function fragmentsIn(text) {
  return [...text.matchAll(new RegExp(COMMENT, 'gm'))].flatMap(({ 0: comment, index }) => {
    const lines = text.slice(0, index).split('\n')
    const continues = comment.startsWith('//') && /^\s*\/\//.test(lines.at(-2) ?? '')
    const word = continues ? undefined : FRAGMENT.exec(comment)?.[1]
    return word === undefined ? [] : [{ line: lines.length, word, better: WHOLE }]
  })
}

function sentences(text) {
  let end = 0
  let sentences = ''
  for (const { 0: found, index } of text.matchAll(COMMENTS_AND_NAMES)) {
    sentences += blank(text.slice(end, index)) + found
    end = index + found.length
  }
  return sentences.replaceAll(/`[^`\n]*`/g, '')
}

const WIDTH = 120
/**
 * Returns the numbers of the lines that are too long. A line that cannot be broken may be longer,
 * such as an address or a command, and so may a table row, a heading and code.
 */
export function longLines(text) {
  const breakable = (line) =>
    / /.test(line.replace(/^\s*(?:[-*]|\d+\.)\s+/, '').replaceAll(/`[^`]*`/g, 'code'))
  return text
    .replace(/^( *)```[^]*?^\1```/gm, blank)
    .split('\n')
    .flatMap((line, index) =>
      line.trimEnd().length > WIDTH && !/^[|#]/.test(line) && breakable(line) ? [index + 1] : [],
    )
}

const inside = (folder, pattern) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => pattern.test(name))
    .map((name) => join(folder, name))

/** Returns the texts that users, operators and developers read. */
export function texts() {
  const guides = readdirSync(join(ROOT, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => inside(join('examples', name), /\.md$/))
  return [
    ...inside('.', /\.md$/),
    ...inside('docs', /\.(?:md|yml)$/),
    ...inside('docs/decisions', /\.md$/),
    ...inside('guard', /\.md$/),
    ...inside('guard/conformance', /\.md$/),
    ...inside('broker-dev', /\.md$/),
    ...guides,
    'src/config/languages/texts/en.ts',
  ]
}

const CODE = [
  'bench',
  'broker-dev',
  'db',
  'demo',
  'examples',
  'guard',
  'scripts',
  'src',
  'test',
  'workers',
]
const NO_CODE_OF_OURS = /(?:^|\/)(?:node_modules|dist|\.\w+)\//
/** Returns the source files, without the test whose examples contain the words. */
export function sources() {
  return CODE.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(folder, name)),
  ).filter(
    (path) =>
      /\.(?:[cm]?[jt]sx?|css)$/.test(path) &&
      !NO_CODE_OF_OURS.test(path) &&
      path !== join('test', 'house', 'prose.test.ts'),
  )
}

const read = (path) => readFileSync(join(ROOT, path), 'utf8')

const named = (path, found) =>
  found.map(({ line, word, better }) => `${path}:${line}: "${word}". Say: ${better}.`)

export const report = () => [
  ...texts().flatMap((path) => named(path, findings(path, read(path)))),
  ...sources().flatMap((path) => named(path, findingsInCode(read(path)))),
  ...texts()
    .filter((path) => path.endsWith('.md'))
    .flatMap((path) =>
      longLines(read(path)).map(
        (line) => `${path}:${line}: longer than ${WIDTH} characters. Break it.`,
      ),
    ),
]

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = report()
  for (const line of found) console.log(line)
  process.exitCode = found.length > 0 ? 1 : 0
}

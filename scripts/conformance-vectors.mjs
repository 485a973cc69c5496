// `node --import tsx scripts/conformance-vectors.mjs` writes the files of the guard conformance kit:
// guard/conformance/tokens.json, feed.json, and the table of rules in its README. A token is signed
// again only where its header or its claims have changed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signToken } from '../guard/src/conformance/sign.ts'
import { KEYS } from './conformance/keys.mjs'
import { LEASES } from './conformance/leases.mjs'
import { LOGOUTS } from './conformance/logout.mjs'
import { POLLS } from './conformance/polls.mjs'
import { PROOFS } from './conformance/proofs.mjs'
import { ASKING } from './conformance/requests.mjs'
import { RULES, UNTESTED } from './conformance/rules.mjs'
import { SESSIONS } from './conformance/sessions.mjs'
import { STREAMS } from './conformance/streams.mjs'
import { STRENGTH } from './conformance/strength.mjs'
import { TEST_KEYS } from './conformance/test-keys.mjs'
import { ACCESS, LOGOUT } from './conformance/tokens.mjs'
import { UNREADABLE } from './conformance/unreadable.mjs'

const HOME = join(import.meta.dirname, '..', 'guard', 'conformance')
const NOW = 1_795_510_800
const ISSUER = 'https://broker.example'

export function tokensFile() {
  const file = join(HOME, 'tokens.json')
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).vectors : []
  const vectors = [...ACCESS, ...LOGOUT].map((vector, index) => {
    const fixed = vector.claims?.jti === null ? {} : { jti: `vector-${index}` }
    const made = signToken(
      vector.kind,
      { ...vector, claims: { ...fixed, ...vector.claims } },
      { keys: TEST_KEYS, issuer: ISSUER, now: NOW },
    )
    const input = (token) => token?.split('.').slice(0, 2).join('.')
    const signed =
      before.map((each) => each.signed).find((each) => input(each) === input(made)) ?? made
    return { ...vector, rules: rulesOf(`${vector.kind}-token/${vector.name}`), signed }
  })
  return `${JSON.stringify({ issuer: ISSUER, audience: 'https://conformance.example', client_id: 'conformance', now: NOW, vectors }, null, 2)}\n`
}
const CASES = [
  ...STREAMS,
  ...LEASES,
  ...ASKING,
  ...UNREADABLE,
  ...KEYS,
  ...POLLS,
  ...LOGOUTS,
  ...SESSIONS,
  ...STRENGTH,
  ...PROOFS,
]
/** A line for each step, so that a difference can be read. */
const written = ({ steps, ...described }) =>
  `{${JSON.stringify({ ...described, rules: rulesOf(described.name) }).slice(1, -1)}, "steps": [\n${steps.map((step) => `  ${JSON.stringify(step)}`).join(',\n')}\n]}`
export const feedFile = () => `{"cases": [\n${CASES.map(written).join(',\n')}\n]}\n`

/**
 * Returns the rules of docs/feed.md with the anchor of their section. The id of a rule is bold there: one
 * or two capitals and a number.
 * @returns {Map<string, string>}
 */
export function rulesOfFeed() {
  const found = new Map()
  let anchor = ''
  for (const line of readFileSync(join(HOME, '..', '..', 'docs', 'feed.md'), 'utf8').split('\n')) {
    const [, title] = /^#+ (.*)/.exec(line) ?? []
    if (title !== undefined)
      anchor = title
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-')
    for (const [, id] of line.matchAll(/\*\*([A-Z]{1,2}\d{1,2})\*\*/g)) found.set(id, anchor)
  }
  return found
}

const NAMES = [
  ...[...ACCESS, ...LOGOUT].map(({ kind, name }) => `${kind}-token/${name}`),
  ...CASES.map(({ name }) => name),
]
const isNamed = (name, text) =>
  text.endsWith('*') ? name.startsWith(text.slice(0, -1)) : name === text
/** Returns the rules that a case tests. */
const rulesOf = (name) =>
  Object.keys(RULES).filter((rule) => RULES[rule].some((text) => isNamed(name, text)))

/**
 * Returns what is wrong with the table of rules and cases: a rule of docs/feed.md without a case, a rule that
 * is not in docs/feed.md, and a case that is not there.
 */
export function wrongRules() {
  const rules = [...rulesOfFeed().keys()]
  const known = [...Object.keys(RULES), ...Object.keys(UNTESTED)]
  return [
    ...rules.filter((rule) => !known.includes(rule)).map((rule) => `${rule} has no case`),
    ...known.filter((rule) => !rules.includes(rule)).map((rule) => `${rule} is no rule`),
    ...Object.entries(RULES).flatMap(([rule, texts]) =>
      texts
        .filter((text) => !NAMES.some((name) => isNamed(name, text)))
        .map((text) => `${rule} names no case: ${text}`),
    ),
  ]
}

const TABLE = /(?<=<!-- rules -->\n)[^]*(?=<!-- \/rules -->)/
/** Returns the README of the kit with the table of its rules. */
export function readmeFile() {
  const rows = [...rulesOfFeed()].map(
    ([rule, anchor]) =>
      `| [${rule}](../../docs/feed.md#${anchor}) | ${UNTESTED[rule] ?? (RULES[rule] ?? []).map((text) => `\`${text}\``).join(', ')} |`,
  )
  return readFileSync(join(HOME, 'README.md'), 'utf8').replace(
    TABLE,
    ['| Rule | Cases |', '|---|---|', ...rows, ''].join('\n'),
  )
}

if (process.argv[1] === import.meta.filename) {
  writeFileSync(join(HOME, 'tokens.json'), tokensFile())
  writeFileSync(join(HOME, 'feed.json'), feedFile())
  writeFileSync(join(HOME, 'README.md'), readmeFile())
}

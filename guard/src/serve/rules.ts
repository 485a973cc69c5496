import type { AccessClaims } from '../claims.ts'
import { quoted } from '../problems.ts'
import { isSeq, isText } from '../selector.ts'
import type { Strength } from '../strength.ts'

/** Reads the rules file (rules.schema.json), and decides what a request needs. */

/** A decoded path for the rules. Rejected if two programs could read it differently. */

type ReadPath = { ok: true; path: string } | { ok: false; problem: string }

/**
 * Characters that a path may have unencoded (RFC 3986 §3.3, and three that browsers do not encode),
 * without `;`.
 */
const RAW = /^\/[A-Za-z0-9\-._~!$&'()*+,=:@/%[\]|]*$/

/** Most paths: nothing to decode and nothing ambiguous. */
const PLAIN = /^(?:\/[A-Za-z0-9\-_~]+(?:\.[A-Za-z0-9\-_~]+)*)+\/?$/

const reject = (problem: string): ReadPath => ({ ok: false, problem })

/**
 * Decodes the path of a request target. Rejects what a backend may read as another path: encoded
 * slashes, backslashes, dot segments, parameters (`;`), empty segments, double encodings, control
 * characters.
 */
export function readPath(target: string): ReadPath {
  const query = target.indexOf('?')
  const raw = query < 0 ? target : target.slice(0, query)
  if (PLAIN.test(raw)) return { ok: true, path: raw }
  if (!raw.startsWith('/')) return reject('it does not begin with a slash')
  if (!RAW.test(raw)) return reject('it holds a character that belongs encoded, or a semicolon')
  const segments = raw.slice(1).split('/')
  const decoded: string[] = []
  for (const [at, segment] of segments.entries()) {
    if (segment === '' && at < segments.length - 1) return reject('it has an empty segment (//)')
    const text = decode(segment)
    if (text === undefined) return reject('its percent-encoding is not UTF-8')
    if (/[/\\%;\u0000-\u001F\u007F]/.test(text))
      return reject('it encodes a slash, backslash, percent sign, semicolon or control character')
    if (text === '.' || text === '..') return reject('it has a segment of dots')
    decoded.push(text)
  }
  return { ok: true, path: `/${decoded.join('/')}` }
}

function decode(segment: string): string | undefined {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/**
 * Folds case and a trailing slash, which some backends ignore, so that a rule covers all these
 * paths.
 */
export function fold(path: string): string {
  const lower = path.toLowerCase()
  return lower.length > 1 && lower.endsWith('/') ? lower.slice(0, -1) : lower
}

export interface Rule extends Strength {
  /** The path as written: exact, or with everything below it (`/api/*`). */
  path: string
  /**
   * The path as written, without `/*`: empty where the rule covers every path. A public rule matches
   * only this.
   */
  written: string
  /** The folded form of `written`. */
  base: string
  below: boolean
  methods: ReadonlySet<string> | undefined
  hosts: ReadonlySet<string> | undefined
  /** Scopes that are all required. */
  scope: readonly string[]
  /** Roles of which one is required. */
  anyRole: readonly string[] | undefined
  /** Audiences of which one is required. */
  audience: readonly string[] | undefined
  public: boolean
}

export interface Asked {
  method: string
  /** The host in lower case, without port. */
  host: string
  /** A path from `readPath`. */
  path: string
}

type Ruling =
  | { outcome: 'none' }
  | { outcome: 'public' }
  | { outcome: 'token'; rules: readonly Rule[] }

/**
 * Decides what a request needs. Without a matching rule it is rejected, and every matching rule
 * must be satisfied. If rules name hosts, a host that none of them names is rejected: the proxy and
 * the application may answer it like a named one, and it would escape the rules of that one. A rule also matches a path that the application may take for its own, but such
 * an alias never lets a request pass. A public rule counts only if every other matching rule has a
 * shorter path and names no hosts or methods that the public rule does not name.
 */
export function rulingFor(rules: readonly Rule[], asked: Asked): Ruling {
  if (!isKnownHost(rules, asked.host)) return { outcome: 'none' }
  const path = fold(asked.path)
  const named = rules.filter((rule) => isNamed(rule, asked))
  const guarded = named.filter(
    (rule) => !rule.public && (covers(rule, rule.base, path) || isAlias(rule, path)),
  )
  const open = named.find(
    (rule) =>
      rule.public &&
      covers(rule, rule.written, asked.path) &&
      guarded.every((other) => yields(other, rule)),
  )
  if (open !== undefined) return { outcome: 'public' }
  return guarded.some((rule) => covers(rule, rule.base, path))
    ? { outcome: 'token', rules: guarded }
    : { outcome: 'none' }
}

const isKnownHost = (rules: readonly Rule[], host: string): boolean =>
  rules.some(({ hosts }) => hosts?.has(host)) || rules.every(({ hosts }) => hosts === undefined)

const yields = (guarded: Rule, open: Rule): boolean =>
  guarded.base.length < open.base.length &&
  (guarded.hosts === undefined || open.hosts !== undefined) &&
  (guarded.methods === undefined || open.methods !== undefined)

function isNamed({ hosts, methods }: Rule, asked: Asked): boolean {
  // Backends answer HEAD like GET.
  if (
    methods !== undefined &&
    !methods.has(asked.method) &&
    !(asked.method === 'HEAD' && methods.has('GET'))
  )
    return false
  return hosts === undefined || hosts.has(asked.host)
}

const covers = ({ below }: Rule, base: string, path: string): boolean =>
  path === base || (below && path.startsWith(base) && path[base.length] === '/')

/**
 * The start of a suffix that does not continue the word: `/admin.json` (Rails, Spring), `/admin.`,
 * `/admin ` or `/admin::$DATA` (IIS).
 */
const SUFFIX = /^[^\p{L}\p{N}_~/-]/u

/** Returns whether an application may take the path for the rule's own. */
const isAlias = ({ base }: Rule, path: string): boolean =>
  base.length > 1 && path.startsWith(base) && SUFFIX.test(path.slice(base.length))

export interface Lack {
  what: 'scope' | 'role' | 'audience'
  /** All scopes of the rule. */
  scope?: string
  description: string
  /** The path of the rule as written. */
  rule: string
}

/** Returns the first requirement that a token does not meet, or undefined. */
export function lacking(rules: readonly Rule[], claims: AccessClaims): Lack | undefined {
  const granted = claims.scope?.split(' ') ?? []
  const audiences: readonly string[] = typeof claims.aud === 'string' ? [claims.aud] : claims.aud
  for (const { anyRole, audience, path: rule, scope } of rules) {
    const missing = scope.filter((each) => !granted.includes(each))
    if (missing.length > 0)
      return {
        what: 'scope',
        scope: scope.join(' '),
        description: `The token lacks the scope ${missing.join(' ')}.`,
        rule,
      }
    if (anyRole !== undefined && !anyRole.some((role) => claims.roles?.includes(role)))
      return {
        what: 'role',
        description: `The user has none of the roles ${quoted(anyRole)}.`,
        rule,
      }
    if (audience !== undefined && !audience.some((each) => audiences.includes(each)))
      return {
        what: 'audience',
        description: `The aud of the token is none of ${quoted(audience)}.`,
        rule,
      }
  }
  return undefined
}

export const RULES_EXAMPLE =
  '{ "rules": [{ "path": "/api/*", "scope": "openid" }, { "path": "/health", "methods": ["GET"], "public": true }] }'

type ReadRules = { ok: true; rules: Rule[] } | { ok: false; problems: string[] }

/** Parses the rules. Reports every problem at once, each with its place. */
export function readRules(text: string): ReadRules {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    return {
      ok: false,
      problems: [
        `The rules are not valid JSON: ${(error as Error).message}. Example: ${RULES_EXAMPLE}`,
      ],
    }
  }
  const problems = nameProblems('', document, ['$schema', 'rules'])
  const { $schema } = (document ?? {}) as Record<string, unknown>
  if ($schema !== undefined && typeof $schema !== 'string') problems.push('$schema: a text.')
  const list = problems.length === 0 ? (document as { rules?: unknown }).rules : undefined
  if (problems.length === 0 && (!Array.isArray(list) || list.length === 0))
    problems.push(`rules: a list with one rule at least. Example: ${RULES_EXAMPLE}`)
  if (!Array.isArray(list)) return { ok: false, problems }
  const rules = list.map((rule, at) => readRule(rule, `rules[${at}]`, problems))
  return problems.length === 0 ? { ok: true, rules } : { ok: false, problems }
}

const NEEDS = ['scope', 'any_role', 'audience', 'acr', 'max_age'] as const
const MEMBERS = ['path', 'methods', 'hosts', ...NEEDS, 'public', 'comment']
const METHOD = /^[A-Z]{1,20}$/
export const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$|^\[[0-9a-f:.]+\]$/
const ACR = /^[\x21\x23-\x5B\x5D-\x7E]+$/
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/

/**
 * Returns unknown members as problems: a rule with a misspelled `any_role` would admit every user.
 */
function nameProblems(at: string, value: unknown, known: readonly string[]): string[] {
  const place = at === '' ? '' : `${at}: `
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${place}must be an object.`]
  const unknown = Object.keys(value).filter((name) => !known.includes(name))
  return unknown.map((name) => `${place}unknown member "${name}". Known: ${known.join(', ')}.`)
}

function readRule(value: unknown, at: string, problems: string[]): Rule {
  problems.push(...nameProblems(at, value, MEMBERS))
  const { path, methods, hosts, comment, ...rest } = (value ?? {}) as Record<string, unknown>
  const { scope, any_role, audience, acr, max_age } = rest
  const say = (member: string, wanted: string): void =>
    void problems.push(`${at}.${member}: ${wanted}`)
  if (!isPattern(path))
    say(
      'path',
      'a path as it is when decoded, exact ("/api/cases") or with all below it ("/api/*"); no other asterisk',
    )
  if (methods !== undefined && !isList(methods, (each) => METHOD.test(each)))
    say('methods', 'a list of methods, e.g. ["GET", "POST"]')
  if (hosts !== undefined && !isList(hosts, (each) => HOST.test(each)))
    say('hosts', 'a list of host names in lower case without port, e.g. ["cases.example"]')
  if (scope !== undefined && !(isText(scope) && SCOPE.test(scope)))
    say('scope', 'scopes with one space between, all of which the token needs, e.g. "openid"')
  if (any_role !== undefined && !isList(any_role, isText))
    say('any_role', 'a list of roles, one of which the user needs, e.g. ["CaseManager.Admin"]')
  if (audience !== undefined && !isList(audience, isText))
    say('audience', 'a list of audiences, one of which the token needs')
  checkDemand({ acr, max_age }, say)
  if (comment !== undefined && typeof comment !== 'string') say('comment', 'a text')
  if (rest.public !== undefined && rest.public !== true) say('public', 'true, or leave it out')
  if (rest.public === true && NEEDS.some((need) => rest[need] !== undefined))
    say('public', `a public rule has no ${NEEDS.join(', ')}`)
  const below = typeof path === 'string' && path.endsWith('/*')
  const written = below ? path.slice(0, -2) : String(path)
  return {
    path: String(path),
    written,
    base: fold(written),
    below,
    methods: setOf(methods),
    hosts: setOf(hosts),
    scope: typeof scope === 'string' ? scope.split(' ') : [],
    anyRole: any_role as string[] | undefined,
    audience: audience as string[] | undefined,
    acr: acr as string | undefined,
    maxAgeSeconds: max_age as number | undefined,
    public: rest.public === true,
  }
}

/** Says which members of a demand on the user's authentication are wrong, and what each must be. */
export function checkDemand(
  { acr, max_age }: Record<'acr' | 'max_age', unknown>,
  say: (member: string, wanted: string) => void,
): void {
  if (acr !== undefined && !(isText(acr) && ACR.test(acr)))
    say('acr', 'the least that the user must have proved, e.g. "phr"')
  if (max_age !== undefined && !(isSeq(max_age) && max_age > 0))
    say('max_age', 'the greatest age of the authentication in seconds, 1 or more, e.g. 300')
}

const setOf = (list: unknown): Set<string> | undefined =>
  Array.isArray(list) ? new Set(list as string[]) : undefined

function isPattern(value: unknown): boolean {
  if (!isText(value)) return false
  const base = value.endsWith('/*') ? value.slice(0, -1) : value
  if (base.includes('*') || base.includes('?') || base.includes('%')) return false
  return readPath(encodeURI(base)).ok
}

const isList = (value: unknown, holds: (each: string) => boolean): boolean =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((each) => typeof each === 'string' && holds(each))

import type { Hono } from 'hono'
import type { Armed, Target } from './armed.ts'
import type { Draw } from './draw.ts'
import type { Whole } from './whole.ts'

/**
 * Generates one request: close enough to a valid one to get far, and wrong in any way that HTTP
 * allows.
 */

export interface Route {
  method: string
  path: string
}

/**
 * Returns every route of an application with its patterns. A route for all methods becomes one for
 * each.
 */
export function routesOf(app: Hono): Route[] {
  const seen = new Map<string, Route>()
  for (const { method, path } of app.routes)
    for (const verb of method === 'ALL' ? ['GET', 'POST', 'PUT', 'DELETE'] : [method])
      seen.set(`${verb} ${path}`, { method: verb, path })
  return [...seen.values()]
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'PROPFIND', 'get']
const TYPES = [
  'application/x-www-form-urlencoded',
  'application/x-www-form-urlencoded; charset=utf-8',
  'application/x-www-form-urlencoded;',
  'application/json',
  'application/merge-patch+json',
  'application/secevent+jwt',
  'multipart/form-data; boundary=x',
  'multipart/form-data',
  'text/plain',
  'text/plain; charset=utf-16',
  '',
  'x',
]
const ACCEPTS = [
  '*/*',
  'text/html',
  'application/json',
  'text/event-stream',
  'application/jsonl',
  'image/png',
  '',
  ';;;',
  'text/html;q=x',
]

export interface Generated {
  url: string
  method: string
  headers: [string, string][]
  body: string | undefined
}

export function generate(
  draw: Draw,
  route: Route,
  armed: Armed,
  { of, origin }: Pick<Target, 'of' | 'origin'>,
): Generated {
  const method = draw.chance(0.85) ? route.method : draw.of(METHODS)
  const path = route.path
    .replace(/:(\w+)(?:\{[^}]*\})?/g, (_, name: string) =>
      segment(draw, valueFor(draw, armed, name)),
    )
    .replace(/\*/g, () => segment(draw, draw.junk()))
  const inBody = !['GET', 'HEAD'].includes(method)
  const query = draw.chance(inBody ? 0.3 : 0.85) ? pairs(draw, armed) : ''
  const { type, body } = inBody ? bodyOf(draw, armed) : { type: undefined, body: undefined }
  const credentials = of === 'public' || draw.chance(0.1) ? armed : armed.operators
  return {
    url: `${origin}${path}${query === '' ? '' : `?${query}`}`,
    method,
    headers: headersOf(draw, { known: armed.known, ...credentials, origin }, type),
    body,
  }
}

/** Returns a valid request with up to two errors. */
export function spoil(draw: Draw, whole: Whole, armed: Armed, origin: string): Generated {
  const { query, form, json: value, raw } = whole
  const wrongs = draw.below(3)
  const text =
    raw !== undefined
      ? raw.text
      : value !== undefined
        ? JSON.stringify(value)
        : form === undefined
          ? undefined
          : spoiled(draw, form, wrongs, armed)
  const type =
    raw?.type ?? (value !== undefined ? TYPES[3] : form !== undefined ? TYPES[0] : undefined)
  const bad = form === undefined && text !== undefined && wrongs > 0 && draw.chance(0.6)
  const sender = {
    known: armed.known,
    origin,
    authorization: [whole.authorization ?? ''],
    cookies: [whole.cookie ?? ''],
  }
  const headers: [string, string][] = [
    ['origin', origin],
    ['sec-fetch-site', 'same-origin'],
    ...(type === undefined ? [] : [['content-type', type] satisfies [string, string]]),
    ...(whole.authorization
      ? [['authorization', whole.authorization] satisfies [string, string]]
      : []),
    ...(whole.cookie ? [['cookie', inHeader(whole.cookie)] satisfies [string, string]] : []),
  ]
  const asked = query === undefined ? '' : `?${spoiled(draw, query, wrongs, armed)}`
  const url = `${origin}${wrongs === 2 && draw.chance(0.2) ? draw.mutated(whole.path).replace(/[\0\r\n]/g, '') : whole.path}${whole.path.includes('?') ? asked.replace('?', '&') : asked}`
  const others = wrongs === 2 && draw.chance(0.2) ? headersOf(draw, sender, type) : headers
  return {
    url,
    method: whole.method,
    headers: others,
    body: bad && text !== undefined ? draw.mutated(text) : text,
  }
}

function spoiled(draw: Draw, fields: Record<string, string>, wrongs: number, armed: Armed): string {
  const params = new URLSearchParams(fields)
  for (let index = 0; index < wrongs; index++) {
    const names = [...params.keys()]
    const name =
      names.length === 0 || draw.chance(0.1) ? draw.of(Object.keys(armed.known)) : draw.of(names)
    const before = params.get(name) ?? ''
    const ways = [
      () => params.delete(name),
      () => params.set(name, draw.junk()),
      () => params.set(name, draw.mutated(before)),
      () => params.set(name, valueFor(draw, armed, name)),
      () => params.append(name, before),
      () => params.append(name, draw.junk()),
    ]
    draw.of(ways)()
  }
  return params.toString()
}

const segment = (draw: Draw, value: string): string =>
  draw.chance(0.8)
    ? encodeURIComponent(wellFormed(value))
    : wellFormed(value).replace(/[\s?#\0]/g, '%00')

/** Replaces lone surrogates, which cannot be percent-encoded. */
const wellFormed = (value: string): string =>
  value.replace(/[\ud800-\udfff]/g, '\ufffd').slice(0, 5000)

function valueFor(draw: Draw, armed: Pick<Armed, 'known'>, name: string): string {
  const known = Object.hasOwn(armed.known, name) ? armed.known[name] : undefined
  if (known === undefined || known.length === 0) return draw.junk()
  const good = draw.of(known)
  if (draw.chance(0.7)) return good
  return draw.chance(0.6) ? draw.mutated(good) : draw.junk()
}

/** Parameters that belong together, so that some requests are complete. */
const TOGETHER: readonly (readonly string[])[] = [
  [
    'client_id',
    'redirect_uri',
    'response_type',
    'scope',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
  ],
  [
    'client_id',
    'redirect_uri',
    'response_type',
    'scope',
    'prompt',
    'claims',
    'id_token_hint',
    'max_age',
  ],
  ['client_id', 'request_uri'],
  ['grant_type', 'code', 'redirect_uri', 'code_verifier', 'client_id'],
  ['grant_type', 'code', 'redirect_uri', 'client_id', 'client_secret'],
  ['grant_type', 'refresh_token', 'scope', 'client_id', 'client_secret'],
  ['grant_type', 'subject_token', 'subject_token_type', 'audience', 'client_id', 'client_secret'],
  ['grant_type', 'scope', 'resource', 'client_assertion', 'client_assertion_type'],
  ['token', 'token_type_hint', 'client_id', 'client_secret'],
  ['id_token_hint', 'post_logout_redirect_uri', 'state', 'client_id'],
  ['request', 'csrf', 'decision'],
  ['request', 'csrf', 'scope', 'microsoft'],
  ['code', 'state'],
  ['error', 'error_description', 'state'],
  ['request', 'account'],
  ['after', 'epoch', 'guard', 'last_event_id'],
  ['sid', 'iss'],
  ['before', 'limit', 'client_id', 'state', 'seq', 'user'],
  ['access_token'],
  ['logout_token'],
  ['validationToken'],
  ['return_to', 'about'],
]

function names(draw: Draw, armed: Armed): string[] {
  const all = Object.keys(armed.known)
  const chosen = draw.chance(0.8) ? draw.of(TOGETHER).filter(() => draw.chance(0.92)) : []
  for (let more = draw.below(draw.chance(0.2) ? 6 : 2); more > 0; more--)
    chosen.push(draw.chance(0.85) ? draw.of(all) : draw.junk().slice(0, 200))
  if (draw.chance(0.08) && chosen.length > 0) chosen.push(draw.of(chosen))
  return chosen
}

function pairs(draw: Draw, armed: Armed): string {
  if (draw.chance(0.03)) return wellFormed(draw.junk())
  const params = new URLSearchParams()
  for (const name of names(draw, armed)) params.append(name, valueFor(draw, armed, name))
  const text = params.toString()
  return draw.chance(0.03) ? text.replaceAll('=', draw.of(['', '==', '%', '&'])) : text
}

function json(draw: Draw, armed: Armed, depth = 0): unknown {
  const way = draw.below(depth > 3 ? 4 : 8)
  if (way === 0) return draw.of([null, true, false, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER + 2])
  if (way < 4) return valueFor(draw, armed, draw.of(Object.keys(armed.known))).slice(0, 5000)
  if (way === 4) return Array.from({ length: draw.below(4) }, () => json(draw, armed, depth + 1))
  return Object.fromEntries(names(draw, armed).map((name) => [name, json(draw, armed, depth + 1)]))
}

/** Returns a body for the admin API or the feed, sometimes a complete one. */
function adminBody(draw: Draw, armed: Armed): unknown {
  const value = (name: string): unknown =>
    draw.chance(0.9) ? valueFor(draw, armed, name).slice(0, 5000) : json(draw, armed)
  const whole = [
    () => ({
      selector: { kind: value('kind'), sid: value('sid'), client_id: value('client_id') },
      dry_run: draw.chance(0.5),
    }),
    () => ({
      selector: { kind: 'session', sid: value('sid') },
      comment: draw.junk().slice(0, 3000),
    }),
    () => ({ selector: { kind: 'subject', sub: value('sub') } }),
    () => ({
      client_id: draw.of(['perth', 'darwin', draw.junk().slice(0, 100)]),
      client_name: 'x',
      redirect_uris: [value('redirect_uri')],
    }),
    () => ({ client_name: value('user'), scope: value('scope'), redirect_uris: json(draw, armed) }),
    () => ({ alg: draw.chance(0.98) ? draw.junk().slice(0, 20) : 'ES256', how: value('how') }),
    () => ({
      epoch: value('epoch'),
      seq: draw.of([0, 1, 2, -1, 1e20, 'x', null]),
      guard: value('guard'),
    }),
    () => ({ id: value('id') }),
    () => ({ all: true }),
    () => ({
      value: [
        {
          subscriptionId: value('id'),
          clientState: value('state'),
          lifecycleEvent: 'x',
          resource: 'users/1',
          tenantId: value('tid'),
        },
      ],
    }),
    () => json(draw, armed),
  ]
  return draw.of(whole)()
}

function bodyOf(draw: Draw, armed: Armed): { type: string | undefined; body: string | undefined } {
  const type = draw.chance(0.9) ? undefined : draw.of(TYPES)
  const way = draw.below(20)
  if (way < 10) return { type: type ?? TYPES[0], body: pairs(draw, armed) }
  if (way < 17) return { type: type ?? TYPES[3], body: JSON.stringify(adminBody(draw, armed)) }
  if (way === 17) return { type: type ?? draw.of(TYPES), body: draw.junk() }
  if (way === 18)
    return {
      type: type ?? TYPES[6],
      body: `--x\r\nContent-Disposition: form-data; name="${draw.of(Object.keys(armed.known))}"\r\n\r\n${draw.junk()}\r\n--x--`,
    }
  return { type, body: undefined }
}

/** Returns a value that HTTP allows in a header: no line ends, no control characters, Latin-1. */
const inHeader = (value: string): string =>
  // oxlint-disable-next-line no-control-regex
  value.replace(/[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/g, '?').slice(0, 6000)

type Sender = Pick<Armed, 'authorization' | 'cookies'> & { known: Armed['known']; origin: string }

function headersOf(draw: Draw, sender: Sender, type: string | undefined): [string, string][] {
  const headers: [string, string][] = []
  const maybe = (p: number, name: string, value: () => string): void => {
    if (draw.chance(p)) headers.push([name, inHeader(value())])
  }
  const nearly = (list: readonly string[]): string => {
    const good = draw.of(list)
    if (draw.chance(0.8)) return good
    return draw.chance(0.7)
      ? draw.mutated(good)
      : draw.of([
          'Basic',
          'Basic =',
          'Bearer',
          'Bearer  x',
          'Digest a=b',
          `Basic ${btoa('a')}`,
          `Basic ${btoa(':')}`,
          `Basic ${btoa('%zz:%00')}`,
        ])
  }
  if (type !== undefined) headers.push(['content-type', type])
  maybe(0.75, 'authorization', () => nearly(sender.authorization))
  maybe(0.75, 'cookie', () =>
    draw.chance(0.85) ? draw.of(sender.cookies) : draw.mutated(draw.of(sender.cookies)),
  )
  maybe(0.4, 'accept', () => draw.of(ACCEPTS))
  maybe(0.4, 'origin', () =>
    draw.of([
      sender.origin,
      sender.origin,
      'https://melbourne.case-manager.example',
      'https://evil.example',
      'null',
      draw.junk(),
    ]),
  )
  maybe(0.2, 'sec-fetch-site', () => draw.of(['same-origin', 'cross-site', 'none', 'x']))
  maybe(0.1, 'if-none-match', () => draw.junk())
  maybe(0.1, 'last-event-id', () => valueFor(draw, sender, 'last_event_id'))
  maybe(0.1, 'user-agent', () => draw.junk())
  maybe(0.05, 'x-forwarded-for', () => draw.junk())
  maybe(0.05, 'x-forwarded-proto', () => draw.of(['http', 'https', 'x']))
  maybe(0.03, 'content-length', () => draw.of(['0', '5', '-1', 'x', '99999999']))
  maybe(0.05, 'access-control-request-method', () => draw.of(METHODS))
  return headers
}

import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  fold,
  readPath,
  readRules,
  RULES_EXAMPLE,
  rulingFor,
  type Asked,
} from '../../../guard/src/serve/rules.ts'

const SCHEMA = JSON.parse(
  readFileSync(new URL('../../../guard/rules.schema.json', import.meta.url), 'utf8'),
) as object
const isValid = new Ajv2020({ strict: true }).compile(SCHEMA)

const ruling = (rules: unknown[], asked: Partial<Asked> = {}): string => {
  const read = readRules(JSON.stringify({ rules }))
  if (!read.ok) throw new Error(read.problems.join('\n'))
  const answer = rulingFor(read.rules, {
    method: 'GET',
    host: 'cases.example',
    path: '/',
    ...asked,
  })
  return answer.outcome === 'token'
    ? answer.rules.map(({ path }) => path).join(' ')
    : answer.outcome
}

describe('which rules decide', () => {
  test('none: the request is rejected', () => {
    expect(ruling([{ path: '/api' }])).toBe('none')
    expect(ruling([{ path: '/api', methods: ['POST'] }], { path: '/api' })).toBe('none')
    expect(ruling([{ path: '/api', hosts: ['other.example'] }], { path: '/api' })).toBe('none')
  })

  test('where rules name hosts, a host that none of them names escapes none: it is rejected', () => {
    const rules = [
      { path: '/*', scope: 'openid' },
      { path: '/api/*', hosts: ['cases.example'], audience: ['https://cases.example'] },
      { path: '/health', public: true },
      { path: '/files/*', hosts: ['files.example'] },
    ]
    const at = (host: string, path: string): string => ruling(rules, { host, path })
    expect(at('cases.example', '/api/cases')).toBe('/* /api/*')
    expect(at('files.example', '/api/cases')).toBe('/*')
    for (const host of ['other.example', '127.0.0.1'])
      for (const path of ['/api/cases', '/', '/health']) expect(at(host, path)).toBe('none')
  })

  test('every rule that matches has to be satisfied', () => {
    const rules = [
      { path: '/*' },
      { path: '/api/*' },
      { path: '/api/cases' },
      { path: '/api/casesx' },
    ]
    expect(ruling(rules, { path: '/api/cases' })).toBe('/* /api/* /api/cases')
    expect(ruling(rules, { path: '/apix' })).toBe('/*')
    expect(ruling(rules, { path: '/api' })).toBe('/* /api/*')
  })

  test('case and a slash at the end do not get around a rule', () => {
    for (const path of ['/API/Admin', '/api/admin/', '/Api/ADMIN/x'])
      expect(ruling([{ path: '/*' }, { path: '/api/admin/*' }], { path })).toBe('/* /api/admin/*')
  })

  test.each([
    '/admin.json',
    '/admin.',
    '/Admin.JSON',
    '/admin.json/users',
    '/admin ',
    '/admin::$DATA',
    '/admin,1',
    '/admin(1)',
    '/admin!',
  ])('nor does %j, which an application may take for the path of a rule', (path) => {
    expect(ruling([{ path: '/*' }, { path: '/admin/*' }], { path })).toBe('/* /admin/*')
    expect(ruling([{ path: '/*' }, { path: '/admin' }], { path })).toBe('/* /admin')
    expect(ruling([{ path: '/*', public: true }, { path: '/admin/*' }], { path })).not.toBe(
      'public',
    )
  })

  test('such an alias opens nothing by itself, and another word is none', () => {
    expect(ruling([{ path: '/admin/*' }, { path: '/api' }], { path: '/admin.json' })).toBe('none')
    for (const path of [
      '/admins',
      '/admin-help',
      '/admin_help',
      '/admin~',
      '/admin2',
      '/admin\u00e9',
      '/x/admin.json',
    ])
      expect(ruling([{ path: '/*' }, { path: '/admin/*' }], { path })).toBe('/*')
    expect(ruling([{ path: '/*' }, { path: '/' }], { path: '/.well-known' })).toBe('/*')
    expect(ruling([{ path: '/*' }, { path: '/admin' }], { path: '/admin/x' })).toBe('/*')
  })

  test('a public rule matches what is written and nothing else: neither another case, nor a slash at the end, nor a suffix', () => {
    const open = [
      { path: '/health', public: true },
      { path: '/assets/*', public: true },
      { path: '/*' },
    ]
    for (const path of ['/health', '/assets/a.css', '/assets/A', '/assets', '/assets/'])
      expect([path, ruling(open, { path })]).toEqual([path, 'public'])
    for (const path of [
      '/HEALTH',
      '/health/',
      '/health.json',
      '/health.',
      '/Assets/a.css',
      '/ASSETS',
      '/assets.css',
      '/health/x',
    ])
      expect([path, ruling(open, { path }), ruling(open.slice(0, 2), { path })]).toEqual([
        path,
        '/*',
        'none',
      ])
    // The same path with and without the slash is one path to a rule that is not public.
    expect(ruling([{ path: '/a/', public: true }, { path: '/a' }], { path: '/a/' })).toBe('/a')
    expect(ruling([{ path: '/a/', public: true }, { path: '/*' }], { path: '/a/' })).toBe('public')
  })

  test('the public path / is the home page alone, also beside a rule for every path', () => {
    const home = { path: '/', public: true }
    expect(ruling([home], { path: '/' })).toBe('public')
    expect(ruling([home, { path: '/*' }], { path: '/' })).toBe('public')
    for (const path of ['/api/cases', '/index.html', '/.', '/ ', '/;x']) {
      expect([path, ruling([home], { path })]).toEqual([path, 'none'])
      expect([path, ruling([home, { path: '/*' }], { path })]).toEqual([path, '/*'])
    }
    expect(ruling([home, { path: '/' }], { path: '/' })).toBe('/')
    expect(ruling([{ path: '/*', public: true }, { path: '/' }], { path: '/' })).toBe('/')
  })

  test('a rule for GET covers HEAD, and no other method', () => {
    expect(ruling([{ path: '/a', methods: ['GET'] }], { path: '/a', method: 'HEAD' })).toBe('/a')
    expect(ruling([{ path: '/a', methods: ['GET'] }], { path: '/a', method: 'OPTIONS' })).toBe(
      'none',
    )
  })

  test('a public rule yields to each rule with the same or a longer path, and to one that names hosts or methods which it does not', () => {
    const open = { path: '/assets/*', public: true }
    const path = '/assets/private/x'
    expect(ruling([{ path: '/*' }, open], { path })).toBe('public')
    expect(ruling([open, { path: '/assets/private/*' }], { path })).toBe('/assets/private/*')
    expect(ruling([open, { path: '/assets/*' }], { path })).toBe('/assets/*')
    expect(ruling([open, { path: '/*', hosts: ['cases.example'] }], { path })).toBe('/*')
    expect(
      ruling(
        [
          { ...open, hosts: ['cases.example'] },
          { path: '/*', hosts: ['cases.example'] },
        ],
        { path },
      ),
    ).toBe('public')
    expect(ruling([open, { path: '/*', methods: ['DELETE'] }], { path, method: 'DELETE' })).toBe(
      '/*',
    )
  })

  test('a token is needed wherever a rule without public is the longest: whatever other rules there are', () => {
    const paths = fc.constantFrom('/', '/*', '/a', '/a/*', '/a/b', '/a/b/*', '/a/b/c')
    const rule = fc.record(
      { path: paths, public: fc.constant(true as const), hosts: fc.constant(['cases.example']) },
      { requiredKeys: ['path'] },
    )
    const asked = fc.constantFrom('/', '/a', '/a/b', '/a/b/c', '/A/B/')
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 6 }), asked, (rules, path) => {
        const matching = rules.filter(
          ({ path: wanted }) => ruling([{ path: wanted }], { path }) !== 'none',
        )
        const longest = Math.max(
          0,
          ...matching.map(({ path: wanted }) => wanted.replace('/*', '').length),
        )
        if (
          matching.some(
            (candidate) =>
              candidate.public === undefined && candidate.path.replace('/*', '').length === longest,
          )
        )
          expect(ruling(rules, { path })).not.toBe('public')
      }),
    )
  })
})

describe('a path that is accepted', () => {
  test('is what a URL parser reads there, decoded once', () => {
    const piece = fc.constantFrom(
      '/',
      '//',
      '.',
      '..',
      '%2e',
      '%2f',
      '%5c',
      '\\',
      ';',
      '%3b',
      '%25',
      'a',
      'B',
      '%61',
      '%c3%bc',
      '%ff',
      '%',
      '?',
      '#',
      ' ',
      '[',
      '%00',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const target = `/${pieces.join('')}`
        const read = readPath(target)
        if (!read.ok) return
        const parsed = decodeURIComponent(new URL(`http://cases.example${target}`).pathname)
        expect(read.path).toBe(parsed)
        expect(read.path).not.toMatch(/%|\\|;|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/)
      }),
      { numRuns: 2000 },
    )
  })

  test('folds to one form', () => {
    expect(['/', '/A/', '/a'].map(fold)).toEqual(['/', '/a', '/a'])
  })
})

describe('the rules file', () => {
  test('the example is valid, for the schema too', () => {
    expect([readRules(RULES_EXAMPLE).ok, isValid(JSON.parse(RULES_EXAMPLE))]).toEqual([true, true])
  })

  test('every problem is said at once, with its place', () => {
    const rules = [
      { path: 'api' },
      { paths: '/x' },
      { path: '/a', methods: ['get'], hosts: ['A.example'], scope: ' ', any_role: [] },
      { path: '/b', public: true, scope: 'x' },
      'x',
    ]
    const read = readRules(JSON.stringify({ rules }))
    const places = read.ok ? [] : read.problems.map((problem) => problem.split(':')[0])
    expect(places).toEqual([
      'rules[0].path',
      'rules[1]',
      'rules[1].path',
      'rules[2].methods',
      'rules[2].hosts',
      'rules[2].scope',
      'rules[2].any_role',
      'rules[3].public',
      'rules[4]',
      'rules[4].path',
    ])
    expect(readRules('{')).toMatchObject({
      ok: false,
      problems: [expect.stringContaining('not valid JSON') as string],
    })
    for (const document of [
      '[]',
      '{}',
      '{"rules":[]}',
      '{"rules":{}}',
      '{"rule":[{"path":"/"}]}',
      'null',
    ])
      expect([document, readRules(document).ok]).toEqual([document, false])
  })

  test('the published schema takes exactly what guard serve takes', () => {
    const text = fc.constantFrom(
      '',
      'a',
      'a b',
      ' a',
      'GET',
      'get',
      'cases.example',
      'Cases.example',
      '-a',
      '[::1]',
      '"',
      'é',
    )
    const path = fc.constantFrom(
      '/',
      '/*',
      '/a',
      '/a/*',
      '/a*',
      '*',
      'a',
      '//',
      '/a//b',
      '/../a',
      '/a/..',
      '/a/.',
      '/a?b',
      '/a;b',
      '/%41',
      '/a/*/b',
      '/a b',
      '/é',
      '/a#',
      '/a/',
      '',
    )
    const value = fc.oneof(
      text,
      fc.array(text, { maxLength: 2 }),
      fc.constantFrom(true, false, null, 1),
    )
    const rule = fc.record(
      {
        path: fc.oneof({ weight: 9, arbitrary: path }, value),
        methods: value,
        hosts: value,
        scope: value,
        any_role: value,
        audience: value,
        acr: fc.oneof(value, fc.constantFrom('phr', 'p h', '')),
        max_age: fc.oneof(value, fc.constantFrom(300, 0, -1, 1.5)),
        public: value,
        comment: value,
        other: value,
      },
      { requiredKeys: [] },
    )
    const document = fc.record(
      {
        rules: fc.oneof({ weight: 9, arbitrary: fc.array(rule, { maxLength: 2 }) }, value),
        $schema: fc.constantFrom('x', 1),
        more: value,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(document, (given) => {
        expect([given, readRules(JSON.stringify(given)).ok]).toEqual([
          given,
          isValid(JSON.parse(JSON.stringify(given))),
        ])
      }),
      { numRuns: 3000 },
    )
  })
})

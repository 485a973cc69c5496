/**
 * Who may import whom, as docs/architecture.md draws it; `npm run lint` and
 * `test/house/import-rules.test.ts` run it. Types count: a type that is imported in a circle is a
 * circle in what one has to understand. swc reads the sources, because dependency-cruiser cannot
 * use TypeScript 7.
 */

/**
 * Lowest first: a module may import itself and what is below it. The files of src/ itself wire the
 * modules, and stand above all.
 */
export const MODULES = [
  'protocol',
  'runtime',
  'config',
  'db',
  'keys',
  'pages',
  'microsoft',
  'audit',
  'session',
  'clients',
  'outbox',
  'revocation',
  'provider',
  'signals',
  'operations',
  'workers',
]
/**
 * The folders of db, by the same rule. The files of db/ itself are what all of them share (schema,
 * types) or what puts them together (acts).
 */
export const STORE = [
  'engine',
  'rows',
  'outbox',
  'log',
  'webhook',
  'stream',
  'revocation',
  'session',
  'token',
  'locks',
  'microsoft',
  'registry',
  'operator',
  'sqlite',
  'postgres',
  'move',
]

const folder = (name) => (name === 'db' || name === 'workers' ? `^${name}/` : `^src/${name}/`)
/**
 * The parts of a module that answer requests. They stand side by side: what two of them need
 * belongs below.
 */
const SIDE_BY_SIDE = {
  provider: 'authorize|token|logout|account|discovery',
  signals: 'received|sent',
  operations: 'setup|api|console|health|command',
}

const onlyIn = (name, packages, allowed) => ({
  name: `${name}-only-in-its-module`,
  comment: `Only ${allowed} may import ${packages}.`,
  severity: 'error',
  from: { path: '^(src|workers|db|demo|broker-dev/src|guard/src)/', pathNot: allowed },
  to: { path: `(^|node_modules/)(${packages})(/|$)` },
})

const modules = MODULES.map((name, at) => ({
  name: `${name}-imports-only-below`,
  comment: `${name} may import ${MODULES.slice(0, at).join(', ') || 'nothing of ours'}.`,
  severity: 'error',
  from: { path: folder(name) },
  to: {
    path: '^(src|workers|db|demo|bench|test|guard)/',
    pathNot: MODULES.slice(0, at + 1).map(folder),
  },
}))

const store = STORE.map((name, at) => ({
  name: `db-${name}-imports-only-below`,
  comment: `Of the folders of db, ${name} may import ${STORE.slice(0, at).join(', ') || 'none'}.`,
  severity: 'error',
  from: { path: `^db/${name}/` },
  to: { path: '^db/[^/]+/', pathNot: STORE.slice(0, at + 1).map((layer) => `^db/${layer}/`) },
}))

const sideBySide = Object.entries(SIDE_BY_SIDE).map(([name, parts]) => ({
  name: `${name}-side-by-side`,
  comment: 'They never import each other.',
  severity: 'error',
  from: { path: `^src/${name}/(${parts})/` },
  to: { path: `^src/${name}/(${parts})/`, pathNot: `^src/${name}/$1/` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'no-cycle',
      comment: 'No circles, types counted: move what both sides need to a file below both.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...modules,
    ...store,
    {
      name: 'only-revoke-appends',
      comment:
        'revoke writes what a revocation causes in the same transaction as its entry in the log.',
      severity: 'error',
      from: { pathNot: '^db/revocation/revoke[.]ts$' },
      to: { path: '^db/log/append[.]ts$' },
    },
    ...sideBySide,
    {
      name: 'only-the-contract-records',
      comment:
        'An act of an operator is recorded by the contract, which pages ask. The others record sign-ins, rejections, exports and the steps of /setup; reports of users, changes of streams and the clients file.',
      severity: 'error',
      from: {
        path: '^(src|workers)/',
        pathNot:
          '^src/(operations/(contract/route|api/api|acts/scope|console/sign-in|setup/(frame|entrance))|provider/account/report|signals/sent/acts|clients/clients-file)[.]tsx?$',
      },
      to: { path: '^src/audit/record[.]ts$' },
    },
    {
      name: 'the-contract-knows-no-http',
      comment: 'Acts return values. Only api and pages make responses of them.',
      severity: 'error',
      from: { path: '^src/operations/(contract|acts)/' },
      to: { path: '(^|node_modules/)hono(/|$)|^src/pages/download[.]ts$' },
    },
    {
      name: 'guard-imports-nothing-of-ours',
      comment: 'The guard is a package of its own, and needs jose alone.',
      severity: 'error',
      from: { path: '^guard/src/', pathNot: '^guard/src/(serve|conformance)/' },
      to: {
        pathNot:
          '^guard/src/|node_modules/jose/|^jose$|^(node:)?(crypto|timers|util|events|buffer|stream|http|https|net|tls|url)',
      },
    },
    {
      name: 'guard-serve-imports-nothing-of-ours',
      comment: 'guard serve is a program: it also reads files.',
      severity: 'error',
      from: { path: '^guard/src/serve/' },
      to: {
        pathNot: '^guard/src/|node_modules/jose/|^jose$|^(node:)?(crypto|util|http|net|fs|path)$',
      },
    },
    {
      name: 'guard-conformance-imports-nothing-of-ours',
      comment:
        'guard conformance is a program: it reads the vectors and starts the adapter. It must not share code with the guard that it judges.',
      severity: 'error',
      from: { path: '^guard/src/conformance/' },
      to: {
        pathNot:
          '^guard/src/(conformance/|clock[.]ts$)|^(node:)?(child_process|crypto|http|net|fs|readline|util)$',
      },
    },
    {
      name: 'guard-library-does-not-import-serve',
      comment: 'The library runs where there are no files and no processes.',
      severity: 'error',
      from: { path: '^guard/src/', pathNot: '^guard/src/(serve|conformance)/' },
      to: { path: '^guard/src/(serve|conformance)/' },
    },
    {
      name: 'nothing-imports-broker-dev',
      comment:
        'broker-dev signs users in without their password. It is a package of its own, and no part of the broker.',
      severity: 'error',
      from: { path: '^(src|workers|db|demo|bench|guard)/' },
      to: { path: '^broker-dev/' },
    },
    {
      name: 'nothing-imports-tests',
      comment: 'src, workers, db, demo, bench and broker-dev do not need test/.',
      severity: 'error',
      from: { path: '^(src|workers|db|demo|bench|guard|broker-dev)/' },
      to: { path: '^test/' },
    },
    onlyIn('msal', '@azure/msal-node', '^src/microsoft/'),
    onlyIn('database', 'drizzle-orm|better-sqlite3', '^db/'),
    onlyIn('postgres-driver', 'pg', '^(db/(postgres|move)/|src/outbox/)'),
    onlyIn('icu-messages', 'intl-messageformat|@formatjs/[^/]+', '^src/config/languages/'),
    onlyIn('opentelemetry', '@opentelemetry/[^/]+', '^src/runtime/telemetry[.]ts$'),
    onlyIn('redis-driver', 'ioredis', '^src/outbox/'),
    onlyIn('bullmq', 'bullmq', '^(src/outbox/|workers/)'),
    onlyIn('jose', 'jose', '^(src/keys/|guard/src/|demo/)'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    parser: 'swc',
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.mjs', '.js'],
      conditionNames: ['import', 'node', 'types'],
    },
  },
}

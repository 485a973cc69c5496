/**
 * Who may import whom, as docs/architecture.md draws it; `npm run lint` and `test/house/import-rules.test.ts` run it. Types count: a type that is
 * imported in a circle is a circle in what one has to understand. swc reads the sources, because dependency-cruiser cannot use TypeScript 7.
 */

export const ENDPOINTS = ['signin', 'token', 'logout', 'signal', 'ssf', 'account', 'setup', 'admin', 'console', 'health', 'discovery']
/** Lowest first: a layer may import itself, what is below it, `protocol` and `config`. */
const LAYERS = ['db', 'keys', 'client', 'session', 'revocation', 'microsoft', 'acts', 'checks']
/** The files of src/ that every module above `protocol` may import: the parts that are handed in, logs, metrics and traces. */
export const COMMON = '^src/(deps|log|metrics|outbound|outbound-addresses|proxy|rate-limits|telemetry)[.]ts$'

const folder = (name) => (name === 'db' ? '^db/' : `^src/${name}/`)
const folders = (names) => names.map(folder).join('|')
const endpoints = `^src/(${ENDPOINTS.join('|')})/`

const onlyIn = (name, packages, allowed) => ({
  name: `${name}-only-in-its-module`,
  comment: `Only ${allowed} may import ${packages}.`,
  severity: 'error',
  from: { path: '^(src|workers|db|demo|broker-dev/src|guard/src)/', pathNot: allowed },
  to: { path: `(^|node_modules/)(${packages})(/|$)` },
})

const layers = LAYERS.map((name, at) => ({
  name: `${name}-imports-only-below`,
  comment: `${name} may import protocol, config, the common files of src/ and ${LAYERS.slice(0, at).join(', ') || 'nothing else'}.`,
  severity: 'error',
  from: { path: folder(name) },
  to: {
    path: '^(src|workers|db|demo|bench|test|guard)/',
    pathNot: [COMMON, '^src/(protocol|config)/', ...LAYERS.slice(0, at + 1).map(folder)],
  },
}))

const endpointModules = ENDPOINTS.map((name) => ({
  name: `${name}-imports-no-other-endpoint-module`,
  comment: 'Endpoint modules never import each other. What two of them need belongs in a module below, or in page.',
  severity: 'error',
  from: { path: folder(name) },
  to: { path: endpoints, pathNot: folder(name) },
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
    {
      name: 'protocol-imports-nothing',
      comment: 'protocol is the lowest module.',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^(src|workers|db|demo|bench|test|guard)/', pathNot: '^src/protocol/' },
    },
    {
      name: 'languages-imports-nothing',
      comment: 'The texts of users’ pages need nothing of ours.',
      severity: 'error',
      from: { path: '^src/languages/' },
      to: { path: '^(src|workers|db|demo|bench|test|guard)/', pathNot: '^src/languages/' },
    },
    {
      name: 'config-imports-only-protocol-and-languages',
      comment: 'config may import protocol, and languages, whose files it reads.',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^(src|workers|db|demo|bench|test|guard)/', pathNot: '^src/(protocol|config|languages)/' },
    },
    ...layers,
    ...endpointModules,
    {
      name: 'endpoint-modules-import-only-below',
      comment: 'Endpoint modules import layers, page and the common files; workers, demo, command and the wiring import them.',
      severity: 'error',
      from: { path: endpoints },
      to: { path: '^(src|workers|demo|bench|test|guard)/', pathNot: [COMMON, endpoints, '^src/(protocol|config|page)/', folders(LAYERS.slice(1))] },
    },
    {
      name: 'page-imports-only-below',
      comment: 'page may import protocol, config, languages, db, keys and client.',
      severity: 'error',
      from: { path: '^src/page/' },
      to: { path: '^(src|workers|demo|bench|test|guard)/', pathNot: [COMMON, '^src/(protocol|config|languages|page|keys|client)/'] },
    },
    {
      name: 'workers-import-no-endpoint-module',
      comment: 'workers may import the layers, the common files and, of the endpoint modules, signal.',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^(src|demo|bench|test|guard)/', pathNot: [COMMON, '^src/(protocol|config|signal)/', folders(LAYERS.slice(1))] },
    },
    {
      name: 'common-files-import-only-layers',
      comment: 'The common files of src/ name the types of the layers, and import no endpoint module.',
      severity: 'error',
      from: { path: COMMON },
      to: { path: '^(src|workers|demo|bench|test|guard)/', pathNot: [COMMON, '^src/(protocol|config)/', folders(LAYERS.slice(1))] },
    },
    {
      name: 'guard-imports-nothing-of-ours',
      comment: 'The guard is a package of its own, and needs jose alone.',
      severity: 'error',
      from: { path: '^guard/src/', pathNot: '^guard/src/(serve|conformance)/' },
      to: { pathNot: '^guard/src/|node_modules/jose/|^jose$|^(node:)?(crypto|timers|util|events|buffer|stream|http|https|net|tls|url)' },
    },
    {
      name: 'guard-serve-imports-nothing-of-ours',
      comment: 'guard serve is a program: it also reads files.',
      severity: 'error',
      from: { path: '^guard/src/serve/' },
      to: { pathNot: '^guard/src/|node_modules/jose/|^jose$|^(node:)?(crypto|util|http|net|fs|path)$' },
    },
    {
      name: 'guard-conformance-imports-nothing-of-ours',
      comment: 'guard conformance is a program: it reads the vectors and starts the adapter. It must not share code with the guard that it judges.',
      severity: 'error',
      from: { path: '^guard/src/conformance/' },
      to: { pathNot: '^guard/src/(conformance/|clock[.]ts$)|^(node:)?(child_process|crypto|http|net|fs|readline|util)$' },
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
      comment: 'broker-dev signs users in without their password. It is a package of its own, and no part of the broker.',
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
    onlyIn('postgres-driver', 'pg', '^(db/(postgres|move)/|src/revocation/)'),
    onlyIn('icu-messages', 'intl-messageformat|@formatjs/[^/]+', '^src/languages/'),
    onlyIn('opentelemetry', '@opentelemetry/[^/]+', '^src/telemetry[.]ts$'),
    onlyIn('redis-driver', 'ioredis', '^src/revocation/'),
    onlyIn('bullmq', 'bullmq', '^(src/revocation/|workers/|src/console/)'),
    onlyIn('jose', 'jose', '^(src/keys/|guard/src/|demo/)'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.mjs', '.js'], conditionNames: ['import', 'node', 'types'] },
  },
}

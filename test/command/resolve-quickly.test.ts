import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test, vi } from 'vitest'
import { quickResolver } from '../../broker-dev/src/resolve-quickly.ts'

/**
 * `broker-dev` resolves its own modules and those of drizzle-orm at its start without Node parsing
 * a package.json for each of them.
 */

const drizzle = dirname(createRequire(import.meta.url).resolve('drizzle-orm'))
const DIST = 'file:///opt/cmb/dist/'
const OURS = `${DIST}db/schema.js`
const ENTRIES = [
  'index.js',
  'sqlite-core/index.js',
  'pg-core/index.js',
  'better-sqlite3/index.js',
  'better-sqlite3/migrator.js',
]

const hook = () => {
  const resolve = quickResolver(DIST)
  const next = vi.fn((specifier: string) => ({
    url: `file:///by-node/${specifier}`,
    format: 'module',
  }))
  const ask = (specifier: string, parentURL: string | undefined, conditions = ['node', 'import']) =>
    resolve(specifier, { parentURL, conditions, importAttributes: {} }, next)
  return { ask, next }
}

test('what a module of drizzle-orm imports of its own is found, as an ES module, and Node is not asked', () => {
  const { ask, next } = hook()
  const seen = new Set(ENTRIES.map((entry) => pathToFileURL(join(drizzle, entry)).href))
  for (const parent of seen)
    for (const [, specifier = ''] of readFileSync(fileURLToPath(parent), 'utf8').matchAll(
      /from "(\.[^"]*)"/g,
    )) {
      const { url, format } = ask(specifier, parent)
      expect([url, format, existsSync(fileURLToPath(url))]).toEqual([
        new URL(specifier, parent).href,
        'module',
        true,
      ])
      seen.add(url)
    }
  expect(seen.size).toBeGreaterThan(100)
  expect(next).not.toHaveBeenCalled()
  expect(JSON.parse(readFileSync(join(drizzle, 'package.json'), 'utf8'))).toMatchObject({
    type: 'module',
  })
})

test('what a module of ours imports of ours is found, as an ES module, and Node is not asked', () => {
  const { ask, next } = hook()
  expect(ask('../src/app.js', OURS)).toMatchObject({
    url: `${DIST}src/app.js`,
    format: 'module',
    shortCircuit: true,
  })
  expect(next).not.toHaveBeenCalled()
})

test('Node resolves each entry of drizzle-orm once, however many modules import it', () => {
  const { ask, next } = hook()
  for (let n = 0; n < 3; n++)
    for (const entry of ['drizzle-orm', 'drizzle-orm/sqlite-core'])
      expect(ask(entry, OURS).url).toBe(`file:///by-node/${entry}`)
  expect(next).toHaveBeenCalledTimes(2)
})

test.each([
  ['a source, which a loader of TypeScript runs', './store.ts', `${DIST}db/schema.ts`, undefined],
  ['a module beside ours', './store.js', 'file:///opt/cmb/other/db.js', undefined],
  ['a module in a package within ours', './a.js', `${DIST}node_modules/other/index.js`, undefined],
  ['another package', 'zod', OURS, undefined],
  ['a package whose name only begins like it', 'drizzle-orm-more', OURS, undefined],
  [
    'the copy of another package',
    'drizzle-orm',
    'file:///opt/cmb/node_modules/other/index.js',
    undefined,
  ],
  [
    'a module of another package',
    './a.js',
    'file:///opt/cmb/node_modules/other/index.js',
    undefined,
  ],
  [
    'what drizzle-orm takes from others',
    'better-sqlite3',
    pathToFileURL(join(drizzle, 'better-sqlite3/driver.js')).href,
    undefined,
  ],
  [
    'a module that is required',
    './entity.js',
    pathToFileURL(join(drizzle, 'index.js')).href,
    ['node', 'require'],
  ],
  ['what the command line names', 'file:///opt/cmb/dist/src/cli.js', undefined, undefined],
])('%s is left to Node', (_, specifier, parent, conditions) => {
  const { ask, next } = hook()
  ask(specifier, parent, conditions)
  ask(specifier, parent, conditions)
  expect(next).toHaveBeenCalledTimes(2)
})

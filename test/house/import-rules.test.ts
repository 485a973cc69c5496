import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FOLDERS, modulePicture, withPicture } from '../../scripts/module-picture.mjs'

/** The rules of `.dependency-cruiser.mjs` hold here, and each of them finds what it forbids. */

const ROOT = resolve(import.meta.dirname, '../..')
interface Rules {
  default: IConfiguration
  ENDPOINTS: string[]
  COMMON: string
}
const { default: RULES, ENDPOINTS, COMMON } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as Rules

async function read(baseDir: string, folders: string[]): Promise<ICruiseResult> {
  const { output } = await cruise(folders, { ...RULES.options, baseDir, validate: true, ruleSet: { forbidden: RULES.forbidden ?? [] } })
  return output as ICruiseResult
}

let project: Promise<ICruiseResult> | undefined
/** The code of this project, which takes seconds to read: once. */
const readProject = (): Promise<ICruiseResult> => (project ??= read(ROOT, [...FOLDERS, 'bench']))

const violationsIn = ({ summary }: ICruiseResult): string[] => summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)

/** A tree of source files that import what they are given, and are otherwise empty. */
async function broken(imports: Record<string, string[]>): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'imports-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const add = (file: string, text: string): void => {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), text)
  }
  for (const top of ['src', 'workers', 'db', 'guard/src']) add(`${top}/empty.ts`, 'export {}\n')
  for (const [file, each] of Object.entries(imports)) add(file, [...each.map((one) => `import type {} from '${one}'`), 'export {}', ''].join('\n'))
  return violationsIn(await read(dir, ['src', 'workers', 'db', 'guard/src']))
}

test('docs/architecture.md shows the modules and the imports between them as they are (npm run docs:modules)', async () => {
  const { modules } = await readProject()
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  const picture = modulePicture(modules, { endpoints: ENDPOINTS, common: new RegExp(COMMON) })
  expect(withPicture(page, picture)).toBe(page)
})

test('the picture leaves out an arrow where a longer way says the same', () => {
  const imports = (source: string, ...files: string[]) => ({ source, dependencies: files.map((resolved) => ({ resolved })) })
  const modules = [
    imports('src/signin/a.ts', 'src/session/b.ts', 'db/c.ts', 'src/log.ts'),
    imports('src/session/b.ts', 'db/c.ts'),
    imports('src/log.ts', 'db/c.ts'),
  ]
  const picture = modulePicture(modules, { endpoints: ['signin'], common: /^src\/log[.]ts$/ })
  expect(picture.split('\n').filter((line) => line.includes('-->'))).toEqual(['  endpoints --> session', '  session --> db'])
})

describe('the import rules', () => {
  test('hold for every file, and there are enough files to mean anything', async () => {
    const result = await readProject()
    expect(violationsIn(result)).toEqual([])
    expect(result.modules.length).toBeGreaterThan(300)
  })

  test.each([
    ['a circle of types', { 'src/token/a.ts': ['./b.ts'], 'src/token/b.ts': ['./a.ts'] }, 'no-cycle: src/token/a.ts → src/token/b.ts'],
    [
      'an import from a module above',
      { 'src/client/a.ts': ['../session/b.ts'], 'src/session/b.ts': [] },
      'client-imports-only-below: src/client/a.ts → src/session/b.ts',
    ],
    [
      'protocol with an import',
      { 'src/protocol/a.ts': ['../config/b.ts'], 'src/config/b.ts': [] },
      'protocol-imports-nothing: src/protocol/a.ts → src/config/b.ts',
    ],
    [
      'config that reaches down',
      { 'src/config/a.ts': ['../../db/b.ts'], 'db/b.ts': [] },
      'config-imports-only-protocol-and-languages: src/config/a.ts → db/b.ts',
    ],
    [
      'languages with an import',
      { 'src/languages/a.ts': ['../protocol/b.ts'], 'src/protocol/b.ts': [] },
      'languages-imports-nothing: src/languages/a.ts → src/protocol/b.ts',
    ],
    [
      'messages that are parsed in a page',
      { 'src/page/a.ts': ['intl-messageformat'] },
      'icu-messages-only-in-its-module: src/page/a.ts → intl-messageformat',
    ],
    [
      'one endpoint module in another',
      { 'src/token/a.ts': ['../signin/b.ts'], 'src/signin/b.ts': [] },
      'token-imports-no-other-endpoint-module: src/token/a.ts → src/signin/b.ts',
    ],
    [
      'the wiring in an endpoint module',
      { 'src/token/a.ts': ['../start.ts'], 'src/start.ts': [] },
      'endpoint-modules-import-only-below: src/token/a.ts → src/start.ts',
    ],
    [
      'an endpoint module in page',
      { 'src/page/a.ts': ['../token/b.ts'], 'src/token/b.ts': [] },
      'page-imports-only-below: src/page/a.ts → src/token/b.ts',
    ],
    [
      'an endpoint module in workers',
      { 'workers/a.ts': ['../src/token/b.ts'], 'src/token/b.ts': [] },
      'workers-import-no-endpoint-module: workers/a.ts → src/token/b.ts',
    ],
    [
      'an endpoint module in the parts',
      { 'src/deps.ts': ['./token/b.ts'], 'src/token/b.ts': [] },
      'common-files-import-only-layers: src/deps.ts → src/token/b.ts',
    ],
    [
      'the broker in the guard',
      { 'guard/src/a.ts': ['../../src/protocol/b.ts'], 'src/protocol/b.ts': [] },
      'guard-imports-nothing-of-ours: guard/src/a.ts → src/protocol/b.ts',
    ],
    ['a package beside jose in the guard', { 'guard/src/a.ts': ['hono'] }, 'guard-imports-nothing-of-ours: guard/src/a.ts → hono'],
    ['MSAL outside microsoft', { 'src/signin/a.ts': ['@azure/msal-node'] }, 'msal-only-in-its-module: src/signin/a.ts → @azure/msal-node'],
    [
      'drizzle outside db',
      { 'src/token/a.ts': ['drizzle-orm/sqlite-core'] },
      'database-only-in-its-module: src/token/a.ts → drizzle-orm/sqlite-core',
    ],
    ['a driver outside db', { 'src/token/a.ts': ['better-sqlite3'] }, 'database-only-in-its-module: src/token/a.ts → better-sqlite3'],
    ['BullMQ in an endpoint module', { 'src/token/a.ts': ['bullmq'] }, 'bullmq-only-in-its-module: src/token/a.ts → bullmq'],
    ['jose outside keys and guard', { 'src/token/a.ts': ['jose'] }, 'jose-only-in-its-module: src/token/a.ts → jose'],
    ['a test in the sources', { 'src/token/a.ts': ['../../test/b.ts'], 'test/b.ts': [] }, 'nothing-imports-tests: src/token/a.ts → test/b.ts'],
  ] as [string, Record<string, string[]>, string][])('find %s', async (_, imports, violation) => {
    expect(await broken(imports)).toContain(violation)
  })
})

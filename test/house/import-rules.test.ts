import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { cruise, type IConfiguration, type ICruiseResult } from 'dependency-cruiser'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FOLDERS, picture, withPictures } from '../../scripts/module-picture.mjs'

/** The rules of `.dependency-cruiser.mjs` hold here, and each of them finds what it forbids. */

const ROOT = resolve(import.meta.dirname, '../..')
const { default: RULES, STORE } = (await import(join(ROOT, '.dependency-cruiser.mjs'))) as {
  default: IConfiguration
  STORE: string[]
}

async function read(baseDir: string, folders: string[]): Promise<ICruiseResult> {
  const { output } = await cruise(folders, {
    ...RULES.options,
    baseDir,
    validate: true,
    ruleSet: { forbidden: RULES.forbidden ?? [] },
  })
  return output as ICruiseResult
}

let project: Promise<ICruiseResult> | undefined
/** The code of this project, which takes seconds to read: once. */
const readProject = (): Promise<ICruiseResult> => (project ??= read(ROOT, [...FOLDERS, 'bench']))

const violationsIn = ({ summary }: ICruiseResult): string[] =>
  summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)

/** Returns the broken rules in a tree of files that hold only the given imports. */
async function broken(imports: Record<string, string[]>): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'imports-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const add = (file: string, text: string): void => {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), text)
  }
  for (const top of ['src', 'workers', 'db', 'guard/src']) add(`${top}/empty.ts`, 'export {}\n')
  for (const [file, each] of Object.entries(imports))
    add(
      file,
      [...each.map((source) => `import type {} from '${source}'`), 'export {}', ''].join('\n'),
    )
  return violationsIn(await read(dir, ['src', 'workers', 'db', 'guard/src']))
}

test('docs/architecture.md shows the modules and the imports between them as they are (npm run docs:modules)', async () => {
  const { modules } = await readProject()
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  expect(withPictures(page, modules)).toBe(page)
})

test('the audit log is written by src/audit/record.ts alone', () => {
  const files = ['src', 'workers'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /[.]tsx?$/.test(name))
      .map((name) => join(folder, name)),
  )
  expect(
    files.filter((file) =>
      /appendAudit|concludeAudit/.test(readFileSync(join(ROOT, file), 'utf8')),
    ),
  ).toEqual(['src/audit/record.ts'])
})

test('the picture leaves out an arrow where a longer way says the same', () => {
  const imports = (source: string, ...files: string[]) => ({
    source,
    dependencies: files.map((resolved) => ({ resolved })),
  })
  const modules = [
    imports('src/provider/token/a.ts', 'src/clients/b.ts', 'db/c.ts'),
    imports('src/clients/b.ts', 'db/c.ts'),
  ]
  expect(
    picture(modules)
      .split('\n')
      .filter((line) => line.includes('-->')),
  ).toEqual(['  clients --> db', '  provider --> clients'])
})

test('each folder of db has its place in the order', () => {
  const folders = readdirSync(join(ROOT, 'db'), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  )
  expect(folders.filter((name) => name !== 'migrations').sort()).toEqual([...STORE].sort())
})

describe('the import rules', () => {
  test('hold for every file, and there are enough files to mean anything', async () => {
    const result = await readProject()
    expect(violationsIn(result)).toEqual([])
    expect(result.modules.length).toBeGreaterThan(300)
  })

  test.each([
    [
      'a circle of types',
      { 'src/keys/a.ts': ['./b.ts'], 'src/keys/b.ts': ['./a.ts'] },
      'no-cycle: src/keys/a.ts → src/keys/b.ts',
    ],
    [
      'an import from a module above',
      { 'src/clients/a.ts': ['../outbox/b.ts'], 'src/outbox/b.ts': [] },
      'clients-imports-only-below: src/clients/a.ts → src/outbox/b.ts',
    ],
    [
      'protocol with an import',
      { 'src/protocol/a.ts': ['../runtime/b.ts'], 'src/runtime/b.ts': [] },
      'protocol-imports-only-below: src/protocol/a.ts → src/runtime/b.ts',
    ],
    [
      'a store that reads the settings of keys',
      { 'db/a.ts': ['../src/keys/b.ts'], 'src/keys/b.ts': [] },
      'db-imports-only-below: db/a.ts → src/keys/b.ts',
    ],
    [
      'a folder of db that imports one above it',
      { 'db/rows/a.ts': ['../session/b.ts'], 'db/session/b.ts': [] },
      'db-rows-imports-only-below: db/rows/a.ts → db/session/b.ts',
    ],
    [
      'an entry of the log that causes nothing',
      { 'db/locks/a.ts': ['../log/append.ts'], 'db/log/append.ts': [] },
      'only-revoke-appends: db/locks/a.ts → db/log/append.ts',
    ],
    [
      'an act that a page records',
      { 'src/operations/console/a.ts': ['../../audit/record.ts'], 'src/audit/record.ts': [] },
      'only-the-contract-records: src/operations/console/a.ts → src/audit/record.ts',
    ],
    [
      'an act that answers over HTTP',
      { 'src/operations/contract/a.ts': ['hono'] },
      'the-contract-knows-no-http: src/operations/contract/a.ts → hono',
    ],
    [
      'messages that are parsed in a page',
      { 'src/pages/a.ts': ['intl-messageformat'] },
      'icu-messages-only-in-its-module: src/pages/a.ts → intl-messageformat',
    ],
    [
      'one part of the provider in another',
      { 'src/provider/token/a.ts': ['../authorize/b.ts'], 'src/provider/authorize/b.ts': [] },
      'provider-side-by-side: src/provider/token/a.ts → src/provider/authorize/b.ts',
    ],
    [
      'the wiring in a module',
      { 'src/provider/a.ts': ['../start.ts'], 'src/start.ts': [] },
      'provider-imports-only-below: src/provider/a.ts → src/start.ts',
    ],
    [
      'the wiring in workers',
      { 'workers/a.ts': ['../src/start.ts'], 'src/start.ts': [] },
      'workers-imports-only-below: workers/a.ts → src/start.ts',
    ],
    [
      'the broker in the guard',
      { 'guard/src/a.ts': ['../../src/protocol/b.ts'], 'src/protocol/b.ts': [] },
      'guard-imports-nothing-of-ours: guard/src/a.ts → src/protocol/b.ts',
    ],
    [
      'a package beside jose in the guard',
      { 'guard/src/a.ts': ['hono'] },
      'guard-imports-nothing-of-ours: guard/src/a.ts → hono',
    ],
    [
      'MSAL outside microsoft',
      { 'src/keys/a.ts': ['@azure/msal-node'] },
      'msal-only-in-its-module: src/keys/a.ts → @azure/msal-node',
    ],
    [
      'drizzle outside db',
      { 'src/provider/token/a.ts': ['drizzle-orm/sqlite-core'] },
      'database-only-in-its-module: src/provider/token/a.ts → drizzle-orm/sqlite-core',
    ],
    [
      'a driver outside db',
      { 'src/provider/token/a.ts': ['better-sqlite3'] },
      'database-only-in-its-module: src/provider/token/a.ts → better-sqlite3',
    ],
    [
      'BullMQ in an endpoint module',
      { 'src/provider/token/a.ts': ['bullmq'] },
      'bullmq-only-in-its-module: src/provider/token/a.ts → bullmq',
    ],
    [
      'jose outside keys and guard',
      { 'src/provider/token/a.ts': ['jose'] },
      'jose-only-in-its-module: src/provider/token/a.ts → jose',
    ],
    [
      'a test in the sources',
      { 'src/provider/token/a.ts': ['../../../test/b.ts'], 'test/b.ts': [] },
      'nothing-imports-tests: src/provider/token/a.ts → test/b.ts',
    ],
  ] as [string, Record<string, string[]>, string][])('find %s', async (_, imports, violation) => {
    expect(await broken(imports)).toContain(violation)
  })
})

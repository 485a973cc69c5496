import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from '../markdown.ts'

/** The migrations of a version after the first release (scripts/migrations.mjs), in a copy. */

const ENGINES = ['db', 'db/postgres']
const { recordOf } = (await import(
  new URL('../../scripts/released-migrations.mjs', import.meta.url).href
)) as { recordOf(root: string): string }

function openCopy() {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-migrations-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  for (const path of ['db', 'scripts', 'src/protocol', 'package.json', 'tsconfig.json'])
    cpSync(join(ROOT, path), join(dir, path), { recursive: true })
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  const read = (path: string): string => readFileSync(join(dir, path), 'utf8')
  return {
    dir,
    read,
    edit(path: string, text: string, become: string): void {
      expect(read(path)).toContain(text)
      writeFileSync(join(dir, path), read(path).replace(text, become))
    },
    release: () => writeFileSync(join(dir, 'db/released.json'), recordOf(dir)),
    generate() {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/migrations.mjs'], {
        cwd: dir,
        encoding: 'utf8',
      })
      return { status, stdout, stderr }
    },
    migrations: () =>
      ENGINES.map((folder) =>
        readdirSync(join(dir, folder, 'migrations'))
          .filter((name) => name.endsWith('.sql') && !name.endsWith('.indexes.sql'))
          .sort(),
      ),
  }
}

const TABLE = "export const locks = sqliteTable(\n  'locks',\n  {\n"
const withColumn = (column: string): string => `${TABLE}    ${column},\n`
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
}
/** The names after `before`, with one more. */
const withNext = (before: readonly string[][]): string[][] =>
  before.map((names) => [...names, `${String(names.length).padStart(4, '0')}_after_${version}.sql`])

test(
  'after a release a change is a second migration, which is written again until it is released too; a released one never changes',
  { timeout: 120_000 },
  () => {
    const copy = openCopy()
    copy.release()
    const before = copy.migrations()
    const texts = (): string[] =>
      ENGINES.flatMap((folder, at) =>
        (before[at] ?? []).map((name) => copy.read(`${folder}/migrations/${name}`)),
      )
    const released = texts()
    expect(copy.generate()).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(copy.migrations()).toEqual(before)

    copy.edit('db/schema.ts', TABLE, withColumn("note: text('note')"))
    expect(copy.generate()).toMatchObject({ status: 0 })
    const after = withNext(before)
    expect(copy.migrations()).toEqual(after)
    const [sqlite = '', postgres = ''] = after.map(
      (names, at) => `${ENGINES[at]}/migrations/${names.at(-1)}`,
    )
    expect(copy.read(sqlite)).toBe('ALTER TABLE `locks` ADD `note` text;\n')
    expect(copy.read(postgres)).toBe(
      'ALTER TABLE "broker"."locks" ADD COLUMN "note" text COLLATE "C";\n',
    )
    expect(copy.generate()).toEqual({ status: 0, stdout: '', stderr: '' })

    copy.edit('db/schema.ts', "text('note')", "text('remark')")
    writeFileSync(
      join(copy.dir, 'db/after-tables.sql'),
      `${copy.read('db/after-tables.sql')}--> statement-breakpoint\nCREATE TRIGGER \`a\` BEFORE UPDATE ON \`locks\` BEGIN SELECT 1; END;\n`,
    )
    expect(copy.generate()).toMatchObject({ status: 0 })
    expect(copy.migrations()).toEqual(after)
    expect(copy.read(sqlite)).toBe(
      'ALTER TABLE `locks` ADD `remark` text;\n--> statement-breakpoint\nCREATE TRIGGER `a` BEFORE UPDATE ON `locks` BEGIN SELECT 1; END;\n',
    )

    copy.release()
    copy.edit('db/schema.ts', "text('remark')", "text('remark'), more: text('more')")
    expect(copy.generate()).toMatchObject({ status: 0 })
    expect(copy.migrations()).toEqual(withNext(after))
    expect(texts()).toEqual(released)

    copy.edit(sqlite, 'remark', 'remarks')
    expect(copy.generate()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/_after_\S+ is released/) as string,
    })
  },
)

test.each([
  ['a column is removed', "liftComment: text('lift_comment'),", /DROP COLUMN|__new_/],
  ['a column without a default is required', undefined, /ADD .*NOT NULL/],
])('%s after a release: no migration is written', { timeout: 120_000 }, (_, removed, said) => {
  const copy = openCopy()
  copy.release()
  const before = copy.migrations()
  const lines = copy.read('db/schema.ts').split('\n')
  if (removed === undefined)
    copy.edit('db/schema.ts', TABLE, withColumn("note: text('note').notNull()"))
  else {
    const at = lines.findIndex(
      (line, n) => n > lines.indexOf('export const locks = sqliteTable(') && line.includes(removed),
    )
    writeFileSync(join(copy.dir, 'db/schema.ts'), lines.toSpliced(at, 1).join('\n'))
  }
  const { status, stderr } = copy.generate()
  expect(status).toBe(1)
  expect(stderr).toContain('migrations only add')
  expect(stderr).toMatch(said)
  expect(copy.migrations()).toEqual(before)
})

test('an index of a table that exists is built after the migration of Postgres, CONCURRENTLY; one of a new table is part of it', () => {
  const copy = openCopy()
  copy.release()
  const [, before = []] = copy.migrations()
  copy.edit(
    'db/schema.ts',
    "index('audit_by_time')",
    "index('audit_by_act_and_time').on(t.act, t.atMs), index('audit_by_time')",
  )
  expect(copy.generate()).toMatchObject({ status: 0 })
  const [name = ''] = withNext([before])[0]?.slice(-1) ?? []
  expect(copy.read(`db/postgres/migrations/${name.replace(/sql$/, 'indexes.sql')}`)).toMatch(
    /^CREATE INDEX CONCURRENTLY "audit_by_act_and_time" ON [^;]*;\n$/,
  )
  expect(copy.read(`db/postgres/migrations/${name}`)).not.toContain('INDEX')
})

/** Statements that hold a table of Postgres only for the moment in which they are entered. */
const BRIEF = [
  /^CREATE TABLE /,
  /^ALTER TABLE \S+ ADD COLUMN "\w+" (?:text COLLATE "C"|bigint|boolean)(?: DEFAULT (?:\d+|'[^']*'|true|false))?(?: NOT NULL)?;$/,
  /^(?:-- .*\n)?CREATE (?:OR REPLACE )?(?:FUNCTION|TRIGGER) /,
]

test('no migration of Postgres that is not released holds the writes of a table: it adds columns with constant defaults, and indexes of its own tables', () => {
  const folder = join(ROOT, 'db/postgres/migrations')
  const { 'db/postgres': released } = JSON.parse(
    readFileSync(join(ROOT, 'db/released.json'), 'utf8'),
  ) as Record<string, { tag: string }[]>
  const tags = new Set(released?.map(({ tag }) => `${tag}.sql`))
  const long = readdirSync(folder)
    .filter((name) => /\d\.sql$/.test(name) && !tags.has(name))
    .flatMap((name) => {
      const statements = readFileSync(join(folder, name), 'utf8')
        .trim()
        .split(/\n?--> statement-breakpoint\n?/)
      const made = statements.flatMap(
        (statement) => /^CREATE TABLE (\S+)/.exec(statement)?.slice(1) ?? [],
      )
      const isOfNew = (statement: string): boolean =>
        /^CREATE (?:UNIQUE )?INDEX /.test(statement) &&
        made.includes(/ ON (\S+)/.exec(statement)?.[1] ?? '')
      return statements.filter(
        (statement) => !isOfNew(statement) && !BRIEF.some((brief) => brief.test(statement)),
      )
    })
  expect(long).toEqual([])
})

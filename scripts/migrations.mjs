// Writes the unreleased migration of each engine from db/schema.ts, followed by the hand-written
// statements of `after-tables.sql` (triggers, storage parameters), which drizzle-kit does not
// generate. Between two releases there is at most one, which a changed schema replaces; a released
// migration never changes (db/released.json). An up-to-date migration is not written.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { countReleased, ENGINES } from './released-migrations.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const BREAKPOINT = '\n--> statement-breakpoint\n'
const JOURNAL = join('meta', '_journal.json')
const statementsOf = (text) => text.trim().split(/\n?--> statement-breakpoint\n?/)
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

for (const { folder, dialect } of ENGINES) {
  const migrations = join(root, folder, 'migrations')
  const released = countReleased(root, folder)
  const fresh = mkdtempSync(join(root, folder, '.migrations-'))
  try {
    if (released > 0) copyReleased(migrations, fresh, released)
    const generate = (...options) =>
      runGenerator(dialect, `./${folder}/schema.ts`, relative(root, fresh), [
        '--name',
        released === 0 ? 'initial' : `after_${version}`,
        ...options,
      ])
    generate()
    const rest = missingStatements(join(root, folder, 'after-tables.sql'), fresh)
    if (rest.length > 0 && tagsIn(fresh).length === released) generate('--custom')
    const [tag] = tagsIn(fresh).slice(released)
    if (tag !== undefined) {
      complete(join(fresh, `${tag}.sql`), rest, released === 0)
      if (dialect === 'postgresql') leaveIndexes(join(fresh, tag))
    }
    if (contentOf(migrations) === contentOf(fresh)) continue
    rmSync(migrations, { recursive: true, force: true })
    cpSync(fresh, migrations, { recursive: true })
    console.log(`${folder}/migrations: ${tag ?? 'the unreleased one'} was written again.`)
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Copies the released migrations, without a later one. */
function copyReleased(from, to, count) {
  cpSync(from, to, { recursive: true })
  for (const tag of tagsIn(to).slice(count)) {
    rmSync(join(to, `${tag}.sql`))
    rmSync(join(to, `${tag}.indexes.sql`), { force: true })
    rmSync(join(to, 'meta', `${tag.slice(0, 4)}_snapshot.json`))
  }
  const journal = JSON.parse(readFileSync(join(to, JOURNAL), 'utf8'))
  const entries = journal.entries.slice(0, count)
  writeFileSync(join(to, JOURNAL), JSON.stringify({ ...journal, entries }, null, 2))
}

function runGenerator(dialect, schema, out, options) {
  const args = ['generate', '--dialect', dialect, '--schema', schema, '--out', out, ...options]
  const { stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/drizzle-kit'), args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  // It exits with 0 after an error too, and where it would ask whether a column was renamed.
  if (!/^No schema changes|Your SQL migration file/m.test(stdout))
    throw new Error(`drizzle-kit failed for ${schema}.\n${stdout}${stderr}`)
}

function tagsIn(migrations) {
  const file = join(migrations, JOURNAL)
  if (!existsSync(file)) return []
  return JSON.parse(readFileSync(file, 'utf8')).entries.map(({ tag }) => tag)
}

/** Returns the hand-written statements that no migration has yet. */
function missingStatements(file, migrations) {
  const present = new Set(
    tagsIn(migrations).flatMap((tag) =>
      statementsOf(readFileSync(join(migrations, `${tag}.sql`), 'utf8')),
    ),
  )
  return statementsOf(readFileSync(file, 'utf8')).filter((statement) => !present.has(statement))
}

/** Adds the hand-written statements to a new migration. */
function complete(file, rest, isFirst) {
  const text = readFileSync(file, 'utf8').trimEnd()
  // A custom migration has a comment of drizzle-kit, and no statement.
  const generated = text.startsWith('-- Custom SQL') ? '' : text
  if (!isFirst && generated !== '') mustOnlyAdd(statementsOf(generated))
  // The migrator creates the namespace of its own table before it runs the migration.
  const tables = generated.replace('CREATE SCHEMA ', 'CREATE SCHEMA IF NOT EXISTS ')
  const parts = [tables, rest.join(BREAKPOINT)].filter((part) => part !== '')
  writeFileSync(file, `${parts.join(BREAKPOINT)}\n`)
}

/**
 * Moves the indexes of tables that the migration does not create into a file beside it, to be built
 * CONCURRENTLY (db/postgres/indexes.ts): in the migration, each would hold the writes of its table.
 */
function leaveIndexes(path) {
  const statements = statementsOf(readFileSync(`${path}.sql`, 'utf8'))
  const newTables = new Set(
    statements.flatMap((statement) => /^CREATE TABLE (\S+)/.exec(statement)?.slice(1) ?? []),
  )
  const isLeft = (statement) =>
    /^CREATE (?:UNIQUE )?INDEX/.test(statement) && !newTables.has(/ ON (\S+)/.exec(statement)?.[1])
  const left = statements.filter(isLeft)
  if (left.length === 0) return
  const write = (file, parts) => writeFileSync(file, `${parts.join(BREAKPOINT)}\n`)
  write(
    `${path}.sql`,
    statements.filter((statement) => !isLeft(statement)),
  )
  write(
    `${path}.indexes.sql`,
    left.map((statement) => statement.replace(' INDEX ', ' INDEX CONCURRENTLY ')),
  )
}

/**
 * Throws unless the older version can work on the tables while and after they are migrated.
 * @throws Error
 */
function mustOnlyAdd(statements) {
  const wrong = statements.filter(
    (statement) =>
      !/^(?:CREATE (?:UNIQUE )?INDEX|CREATE TABLE (?!`__new_)|ALTER TABLE \S+ ADD (?!CONSTRAINT))/.test(
        statement,
      ) ||
      (statement.startsWith('ALTER') &&
        statement.includes('NOT NULL') &&
        !statement.includes('DEFAULT')),
  )
  if (wrong.length > 0)
    throw new Error(
      `After a release, migrations only add tables, indexes and columns (NOT NULL needs a default): the older version still reads and writes while brokers are replaced one after another. Keep what it uses. These statements do not:\n\n${wrong.join('\n\n')}\n`,
    )
}

/** Returns the migrations and snapshots without what differs at each run. */
function contentOf(folder) {
  const tags = tagsIn(folder)
  const files = [
    JOURNAL,
    ...tags.flatMap((tag) => [`${tag}.sql`, join('meta', `${tag.slice(0, 4)}_snapshot.json`)]),
  ].map((name) => join(folder, name))
  if (!files.every(existsSync)) return undefined
  const indexes = tags.map((tag) => join(folder, `${tag}.indexes.sql`)).filter(existsSync)
  return [...files, ...indexes]
    .map((file) => readFileSync(file, 'utf8').replace(/"(id|prevId|when)": ("[^"]*"|\d+)/g, ''))
    .join('\n')
}

// Writes the one migration of each engine from db/schema.ts, followed by the hand-written
// statements of `after-tables.sql` (triggers, storage parameters), which drizzle-kit does not
// generate. Before the first release there is one migration an engine and no data to migrate, so a
// changed schema replaces it. An up-to-date migration is not written.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const NAME = '0000_initial.sql'
const BREAKPOINT = '\n--> statement-breakpoint\n'

for (const { folder, dialect } of [
  { folder: 'db', dialect: 'sqlite' },
  { folder: 'db/postgres', dialect: 'postgresql' },
]) {
  const migrations = join(root, folder, 'migrations')
  const fresh = mkdtempSync(join(root, folder, '.migrations-'))
  try {
    generate(dialect, `./${folder}/schema.ts`, relative(root, fresh))
    // The migrator creates the namespace of its own table before it runs the migration.
    const tables = readFileSync(join(fresh, NAME), 'utf8')
      .trimEnd()
      .replace('CREATE SCHEMA ', 'CREATE SCHEMA IF NOT EXISTS ')
    const rest = readFileSync(join(root, folder, 'after-tables.sql'), 'utf8')
    writeFileSync(join(fresh, NAME), `${tables}${BREAKPOINT}${rest}`)
    if (contentOf(migrations) === contentOf(fresh)) continue
    rmSync(migrations, { recursive: true, force: true })
    cpSync(fresh, migrations, { recursive: true })
    console.log(`${folder}/migrations: written again.`)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

function generate(dialect, schema, out) {
  const args = [
    'generate',
    '--dialect',
    dialect,
    '--schema',
    schema,
    '--out',
    out,
    '--name',
    'initial',
  ]
  const { status } = spawnSync(join(root, 'node_modules/.bin/drizzle-kit'), args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`drizzle-kit failed for ${schema}. Its message is above.`)
}

/** Returns the migration and drizzle-kit's snapshot without the id, which differs at each run. */
function contentOf(folder) {
  const files = [
    join(folder, NAME),
    join(folder, 'meta', '0000_snapshot.json'),
    join(folder, 'meta', '_journal.json'),
  ]
  if (!files.every(existsSync)) return undefined
  return files
    .map((file) => readFileSync(file, 'utf8').replace(/"(id|when)": ("[^"]*"|\d+)/g, ''))
    .join('\n')
}

/**
 * db/released.json: the migrations that releases have brought, which never change again. A release
 * writes it.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const RELEASED_MIGRATIONS = 'db/released.json'
export const ENGINES = [
  { folder: 'db', dialect: 'sqlite' },
  { folder: 'db/postgres', dialect: 'postgresql' },
]

const journalOf = (migrations) => {
  const file = join(migrations, 'meta', '_journal.json')
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).entries : []
}

/** Describes a migration by its file, followed by that of the indexes that it leaves, if any. */
const describeMigration = (migrations, { tag, when }) => ({
  tag,
  when,
  sha256: [`${tag}.sql`, `${tag}.indexes.sql`]
    .map((name) => join(migrations, name))
    .filter(existsSync)
    .reduce((hash, file) => hash.update(readFileSync(file)), createHash('sha256'))
    .digest('hex'),
})

/** Returns the text of the file for a release of what the folders of migrations have now. */
export const recordOf = (root) =>
  `${JSON.stringify(
    Object.fromEntries(
      ENGINES.map(({ folder }) => {
        const migrations = join(root, folder, 'migrations')
        return [folder, journalOf(migrations).map((entry) => describeMigration(migrations, entry))]
      }),
    ),
    null,
    2,
  )}\n`

/**
 * Returns how many migrations of an engine are released.
 * @throws Error if one of them has changed or is missing
 */
export function countReleased(root, folder) {
  const released = JSON.parse(readFileSync(join(root, RELEASED_MIGRATIONS), 'utf8'))[folder]
  const migrations = join(root, folder, 'migrations')
  const entries = journalOf(migrations)
  for (const [index, migration] of released.entries()) {
    const now = entries[index] && describeMigration(migrations, entries[index])
    if (JSON.stringify(now) !== JSON.stringify(migration))
      throw new Error(
        `${folder}/migrations: ${migration.tag} is released, and databases have it. Restore it: git checkout HEAD -- ${folder}/migrations`,
      )
  }
  return released.length
}

import { execFileSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ROOT } from '../../markdown.ts'

/** Two versions of the broker, each built from its tag. */

export interface Version {
  /** The version in its package.json. */
  version: string
  /** The built program. */
  cli: string
}

const WHO = {
  GIT_AUTHOR_NAME: 'A test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'A test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
}

const run = (cwd: string, file: string, ...args: string[]): string =>
  execFileSync(file, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...WHO },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  })

/** The lock file without the versions of this repository's own packages. */
function foreignPackages(dir: string): string {
  const { packages } = JSON.parse(readFileSync(join(dir, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, unknown>
  }
  const own = ['', 'guard', 'broker-dev']
  return JSON.stringify(Object.entries(packages).filter(([path]) => !own.includes(path)))
}

/** Gives a tree the packages of this one, or installs its own where its lock file differs. */
function addPackages(dir: string): void {
  if (foreignPackages(dir) !== foreignPackages(ROOT)) {
    run(dir, 'npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund')
    return
  }
  const packages = join(dir, 'node_modules')
  mkdirSync(join(packages, '@case-manager'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@case-manager' && name !== '.cache')
      symlinkSync(join(ROOT, 'node_modules', name), join(packages, name))
  symlinkSync('../../guard', join(packages, '@case-manager', 'guard'))
}

/** Builds the version that a tag of a repository names. */
export function build(repository: string, tag: string, home: string): Version {
  const dir = join(home, tag)
  mkdirSync(dir, { recursive: true })
  const archive = join(home, `${tag}.tar`)
  run(repository, 'git', 'archive', '--output', archive, tag)
  run(dir, 'tar', '-xf', archive)
  addPackages(dir)
  run(dir, process.execPath, 'scripts/build.mjs', '--no-check')
  const { version } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as {
    version: string
  }
  return { version, cli: join(dir, 'dist/src/cli.js') }
}

/** Makes a folder that is removed by `dispose`. */
export function temporary(): { home: string; dispose(): void } {
  const home = mkdtempSync(join(tmpdir(), 'cmb-upgrade-'))
  return { home, dispose: () => rmSync(home, { recursive: true, force: true, maxRetries: 5 }) }
}

const COLUMN = "export const locks = sqliteTable(\n  'locks',\n  {\n"
const INDEX = "    uniqueIndex('locks_open')\n"
const TABLE = `
export const upgrades = sqliteTable('upgrades', { id: integer().primaryKey(), note: text() })
`

/**
 * Makes two releases of this work tree by `npm run release`, in a repository of its own. The second
 * one has a migration with a column, an index and a table.
 * @returns the repository and its tags
 */
export function makeReleases(home: string): { repository: string; tags: [string, string] } {
  const repository = join(home, 'repository')
  for (const file of run(ROOT, 'git', 'ls-files', '-co', '--exclude-standard').trim().split('\n')) {
    mkdirSync(dirname(join(repository, file)), { recursive: true })
    cpSync(join(ROOT, file), join(repository, file))
  }
  run(repository, 'git', 'init', '--quiet', '--initial-branch', 'main')
  const edit = (path: string, text: string, become: string): void => {
    const before = readFileSync(join(repository, path), 'utf8')
    if (!before.includes(text)) throw new Error(`${path} has no ${text}`)
    writeFileSync(join(repository, path), before.replace(text, become))
  }
  const release = (): string => {
    edit('CHANGELOG.md', '## Unreleased\n', '## Unreleased\n\n### Added\n- Something.\n')
    run(repository, 'git', 'add', '--all')
    run(repository, 'git', 'commit', '--quiet', '--message', 'Change something')
    run(repository, process.execPath, 'scripts/release.mjs')
    return run(repository, 'git', 'describe', '--tags', '--exact-match').trim()
  }
  const first = release()
  // Outside the repository's files: .gitignore names it as a folder, and this is a link.
  writeFileSync(join(repository, '.git/info/exclude'), 'node_modules\n')
  symlinkSync(join(ROOT, 'node_modules'), join(repository, 'node_modules'))
  edit('db/schema.ts', COLUMN, `${COLUMN}    upgradeNote: text('upgrade_note'),\n`)
  edit('db/schema.ts', INDEX, `    index('locks_by_upgrade_note').on(t.upgradeNote),\n${INDEX}`)
  edit(
    'db/schema.ts',
    '\nexport const locks = sqliteTable',
    `${TABLE}\nexport const locks = sqliteTable`,
  )
  run(repository, process.execPath, 'scripts/migrations.mjs')
  return { repository, tags: [first, release()] }
}

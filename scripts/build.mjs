// Builds the guard, then the broker, into dist. With --if-changed it does nothing if the sources
// are those of the last build. With --no-check it does not check types, which takes three quarters
// of the time of a build.
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
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.mjs'

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

const hash = createHash('sha256')
for (const place of [
  'scripts/build.mjs',
  'scripts/bundle.mjs',
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

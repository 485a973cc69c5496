// Builds broker-dev/dist: the broker, the simulated Microsoft and their launcher, compiled from the
// sources of this repository, with the files that they read. `npm pack` in broker-dev runs it.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, 'broker-dev', 'dist')
rmSync(dist, { recursive: true, force: true })
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
// Types are checked by `npm run typecheck`; here that would take ten seconds of twelve. An existing
// build of the guard is kept, because other programs may be reading it.
const guard = existsSync(join(root, 'guard', 'dist', 'index.d.ts')) ? [] : ['guard']
for (const project of [...guard, 'broker-dev', 'broker-dev/tsconfig.types.json']) {
  const { status } = spawnSync(process.execPath, [tsc, '--noCheck', '-p', project], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) process.exit(status ?? 1)
}
// Modules read style sheets, browser scripts and icons from their own folder (as in build.mjs), and
// migrations from beside a package.json.
for (const file of globSync('src/**/*.{css,js,svg}', { cwd: root }))
  cpSync(join(root, file), join(dist, file))
for (const folder of ['db/migrations', 'db/postgres/migrations']) {
  mkdirSync(join(dist, folder), { recursive: true })
  cpSync(join(root, folder), join(dist, folder), { recursive: true })
}
const { name, version, type } = JSON.parse(
  readFileSync(join(root, 'broker-dev', 'package.json'), 'utf8'),
)
writeFileSync(
  join(dist, 'package.json'),
  `${JSON.stringify({ name, version, type, private: true })}\n`,
)
chmodSync(join(dist, 'broker-dev', 'src', 'bin.js'), 0o755)

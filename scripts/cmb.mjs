#!/usr/bin/env node
// `npx cmb` in a clone. It is a file of the repository because npx links a program once, and only
// if its file exists: a link to the build's output, made before the first build, would never be
// created. Plain JavaScript for Node 18 and later, like bootstrap.mjs.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const own = join(root, 'node_modules', '.bin', 'node')
const program = join(root, 'dist', 'src', 'cli.js')
if (!existsSync(program)) {
  const run = spawnSync(process.execPath, [join(root, 'scripts', 'bootstrap.mjs')], {
    stdio: ['ignore', 2, 2],
  })
  if (run.status !== 0) process.exit(run.status || 1)
}
const command = spawn(
  existsSync(own) ? own : process.execPath,
  // They bound the memory of a broker under load (docs/performance.md).
  [
    '--max-semi-space-size=2',
    '--initial-old-space-size=48',
    '--heap-growing-percent=50',
    program,
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit' },
)
// A signal to this process also ends the command, and this process waits for it. Ctrl-C reaches
// both; the broker counts two signals at once as one.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => command.kill(signal))
command.on('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
command.on('exit', (code) => process.exit(code ?? 1))

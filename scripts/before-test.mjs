// Installs what `npm test` needs. Debian's programs and the packages of the lock file are installed
// in parallel; then the build, the Python environments and the generators of clients are made in
// parallel, inside node_modules. It runs on Node 18 and later, as scripts/bootstrap.mjs does.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/**
 * Runs another script of this folder on the first Node of the PATH: once the packages are
 * installed, that is the Node that came with them.
 * @returns its exit code
 */
const run = (script, ...args) =>
  new Promise((done) => {
    const child = spawn('node', [fileURLToPath(new URL(script, import.meta.url)), ...args], {
      stdio: 'inherit',
    })
    child.once('error', (error) => {
      console.error(`${script} did not start: ${error.message}`)
      done(1)
    })
    child.once('exit', (code) => done(code ?? 1))
  })

const failureOf = (codes) => codes.find((code) => code !== 0) ?? 0

async function packagesAndAfter() {
  const code = await run('bootstrap.mjs', '--packages')
  if (code !== 0) return code
  return failureOf(
    await Promise.all([
      ...['bootstrap.mjs', 'schemathesis.mjs', 'python-guard.mjs', 'client-generators.mjs'].map(
        (script) => run(script),
      ),
    ]),
  )
}

process.exitCode = failureOf(await Promise.all([run('test-needs.mjs'), packagesAndAfter()]))

/**
 * Packs the guard for Python (guard-python) as a wheel and installs it into an empty environment of
 * its own. If that fails it prints why and still exits 0; the tests then report what is missing.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeEnvironment, pythonIn } from './python-environment.mjs'

export const PYTHON_GUARD = join(import.meta.dirname, '..', 'guard-python')
/** The packages that the tests need beside it: they check its types, and mount it in Django. */
const FOR_TESTS = ['mypy==2.4.1', 'Django==5.2.19']

/** Returns the files of the package, without what a build leaves. */
export const filesOfPythonGuard = () =>
  readdirSync(PYTHON_GUARD, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.endsWith('__pycache__'))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort((a, b) => (a < b ? -1 : 1))

const hash = createHash('sha256').update(FOR_TESTS.join())
for (const file of filesOfPythonGuard())
  hash.update(file.slice(PYTHON_GUARD.length)).update(readFileSync(file))
const HOME = join(
  import.meta.dirname,
  '..',
  'node_modules',
  '.cache',
  `python-guard-${hash.digest('hex').slice(0, 16)}`,
)
const PYTHON = pythonIn(HOME)
const INSTALLED = join(HOME, 'installed')

/**
 * Returns the Python in which the guard is installed, if it is.
 * @returns {string | undefined}
 */
export const findPython = () => (existsSync(INSTALLED) ? PYTHON : undefined)

/**
 * Installs it. Returns what is missing and how to get it, or undefined if it is installed.
 * @returns {string | undefined}
 */
function install() {
  if (findPython() !== undefined) return undefined
  if (process.env.BROKER_TEST_INSTALL === 'no')
    return 'The guard for Python is not installed, so it is not tested. Run node scripts/python-guard.mjs to install it.'
  const failed = makeEnvironment(HOME, PYTHON_GUARD, ...FOR_TESTS)
  if (failed !== undefined) return `The guard for Python is not tested. ${failed}`
  const { status, stderr } = spawnSync(PYTHON, ['-c', 'import case_manager_guard'], {
    encoding: 'utf8',
  })
  if (status !== 0)
    return `The guard for Python is not tested. It cannot be imported. (${stderr.trim().split('\n').at(-1)})`
  writeFileSync(INSTALLED, '')
  return undefined
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(`${install() ?? `Python guard: ${findPython()}`}\n`)

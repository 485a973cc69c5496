/**
 * Installs the requirements of the example guard in Python (examples/python-guard) into an
 * environment of their own. If that fails it prints why and still exits 0; the test then reports
 * what is missing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeEnvironment, pythonIn } from './python-environment.mjs'

const REQUIREMENTS = join(import.meta.dirname, '..', 'examples', 'python-guard', 'requirements.txt')
const VERSION = readFileSync(REQUIREMENTS, 'utf8').trim().split('==').at(-1)
const HOME = join(import.meta.dirname, '..', 'node_modules', '.cache', `python-guard-${VERSION}`)
const PYTHON = pythonIn(HOME)
const INSTALLED = join(HOME, 'installed')

/**
 * Returns the Python that has the guard's requirements, if it is installed.
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
    return 'PyJWT is not installed, so the Python guard is not tested. Run node scripts/python-guard.mjs to install it.'
  const failed = makeEnvironment(HOME, '-r', REQUIREMENTS)
  if (failed !== undefined) return `The Python guard is not tested. ${failed}`
  const { status, stderr } = spawnSync(PYTHON, ['-c', 'import jwt'], { encoding: 'utf8' })
  if (status !== 0)
    return `The Python guard is not tested. PyJWT cannot be imported. (${stderr.trim().split('\n').at(-1)})`
  writeFileSync(INSTALLED, '')
  return undefined
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(`${install() ?? `Python guard: ${findPython()}`}\n`)

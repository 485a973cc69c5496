/**
 * The example guard in Python (examples/python-guard) needs Python with its requirements: this installs them into an environment of their own
 * beneath node_modules, and says why where it cannot. Run as a program it exits 0 either way: the test then says what is missing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const REQUIREMENTS = join(import.meta.dirname, '..', 'examples', 'python-guard', 'requirements.txt')
const VERSION = readFileSync(REQUIREMENTS, 'utf8').trim().split('==').at(-1)
const HOME = join(import.meta.dirname, '..', 'node_modules', '.cache', `python-guard-${VERSION}`)
const PYTHON = join(HOME, 'bin', 'python')
const INSTALLED = join(HOME, 'installed')

/** @returns {string | undefined} the Python that has what the guard needs */
export const findPython = () => (existsSync(INSTALLED) ? PYTHON : undefined)

/** @returns {string | undefined} what is missing and how to get it; undefined where it is there */
function install() {
  if (findPython() !== undefined) return undefined
  if (process.env.BROKER_TEST_INSTALL === 'no')
    return 'PyJWT is not installed, so the Python guard is not tested. Run node scripts/python-guard.mjs to install it.'
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS]
  const steps = [
    ['python3', ['-m', 'venv', HOME], 'Install Python 3.10 or later with venv (Debian: apt-get install python3-venv).'],
    [PYTHON, pip, 'PyPI was not reached.'],
    [PYTHON, ['-c', `import jwt, pathlib; pathlib.Path(${JSON.stringify(INSTALLED)}).touch()`], 'PyJWT cannot be imported.'],
  ]
  for (const [program, args, advice] of steps) {
    const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) return `The Python guard is not tested. ${advice} (${error?.message ?? stderr.trim().split('\n').at(-1)})`
  }
  return undefined
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${install() ?? `Python guard: ${findPython()}`}\n`)

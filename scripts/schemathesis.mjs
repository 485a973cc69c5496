/**
 * schemathesis holds /openapi.json against the server (test/process/schemathesis.test.ts). It is a Python program: this installs it into an
 * environment of its own beneath node_modules, and says why where it cannot. Run as a program it exits 0 either way: the test then says what is missing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const VERSION = '4.32.5'
const HOME = join(import.meta.dirname, '..', 'node_modules', '.cache', `schemathesis-${VERSION}`)
const INSTALLED = join(HOME, 'bin', 'st')

/** @returns {string | undefined} the program: the one installed here, or one on the PATH */
export const findSchemathesis = () =>
  [INSTALLED, ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'schemathesis'))].find((path) => existsSync(path))

/** @returns {string | undefined} what is missing and how to get it; undefined where it is there */
function install() {
  if (findSchemathesis() !== undefined) return undefined
  if (process.env.BROKER_TEST_INSTALL === 'no')
    return 'schemathesis is not installed, so its test is skipped. Run node scripts/schemathesis.mjs to install it.'
  const steps = [
    ['python3', ['-m', 'venv', HOME], 'Install Python 3.10 or later with venv (Debian: apt-get install python3-venv).'],
    [join(HOME, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`], 'PyPI was not reached.'],
  ]
  for (const [program, args, advice] of steps) {
    const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0)
      return `schemathesis is not installed, so its test is skipped. ${advice} (${error?.message ?? stderr.trim().split('\n').at(-1)})`
  }
  return undefined
}

if (process.argv[1] === import.meta.filename) process.stdout.write(`${install() ?? `schemathesis: ${findSchemathesis()}`}\n`)

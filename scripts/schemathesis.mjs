/**
 * Installs schemathesis, a Python program that checks the server against /openapi.json
 * (test/process/schemathesis.test.ts), into an environment of its own. If that fails it prints why
 * and still exits 0; the test then reports what is missing.
 */
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { makeEnvironment } from './python-environment.mjs'

const VERSION = '4.32.5'
const HOME = join(import.meta.dirname, '..', 'node_modules', '.cache', `schemathesis-${VERSION}`)
const INSTALLED = join(HOME, 'bin', 'st')

/**
 * Returns the program: the one installed here, or one on the PATH.
 * @returns {string | undefined}
 */
export const findSchemathesis = () =>
  [
    INSTALLED,
    ...(process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'schemathesis')),
  ].find((path) => existsSync(path))

/**
 * Installs it. Returns what is missing and how to get it, or undefined if it is installed.
 * @returns {string | undefined}
 */
function install() {
  if (findSchemathesis() !== undefined) return undefined
  if (process.env.BROKER_TEST_INSTALL === 'no')
    return 'schemathesis is not installed, so its test is skipped. Run node scripts/schemathesis.mjs to install it.'
  const failed = makeEnvironment(HOME, `schemathesis==${VERSION}`)
  return failed === undefined
    ? undefined
    : `schemathesis is not installed, so its test is skipped. ${failed}`
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(`${install() ?? `schemathesis: ${findSchemathesis()}`}\n`)

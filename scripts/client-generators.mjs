/**
 * Installs two generators of clients, which test/process/generated-clients.test.ts runs on
 * /openapi.json: one for TypeScript and one for Python, each in a folder of its own. If that fails
 * it prints why and still exits 0; the test then leaves that language out.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { makeEnvironment, pythonIn } from './python-environment.mjs'

const CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache')
// The generator calls the compiler's interface, which TypeScript 7 does not have.
const OPENAPI_TS = ['@hey-api/openapi-ts@0.99.0', 'typescript@5.9.3']
const OPENAPI_PYTHON = 'openapi-python-client==0.29.1'
const TYPESCRIPT_HOME = join(CACHE, 'openapi-ts-0.99.0')
const PYTHON_HOME = join(CACHE, 'openapi-python-client-0.29.1')

const PROGRAMS = {
  TypeScript: join(TYPESCRIPT_HOME, 'node_modules/@hey-api/openapi-ts/bin/run.js'),
  Python: join(PYTHON_HOME, 'bin/openapi-python-client'),
}

/**
 * Returns the generator for a language, if it is installed.
 * @param {keyof typeof PROGRAMS} language
 * @returns {string | undefined}
 */
export const findGenerator = (language) =>
  existsSync(PROGRAMS[language]) ? PROGRAMS[language] : undefined
/** The Python in which a generated client can be imported. */
export const GENERATORS_PYTHON = pythonIn(PYTHON_HOME)

/** Installs the generator for TypeScript. Returns what failed, or undefined. */
function installTypeScript() {
  const [program, ...first] = process.env.npm_execpath
    ? [process.execPath, process.env.npm_execpath]
    : ['npm']
  const wanted = ['install', '--prefix', TYPESCRIPT_HOME, '--ignore-scripts', '--no-audit']
  const { status, error, stderr } = spawnSync(
    program,
    [...first, ...wanted, '--no-fund', '--loglevel=error', ...OPENAPI_TS],
    { encoding: 'utf8' },
  )
  return status === 0
    ? undefined
    : `npm could not install it. (${error?.message ?? stderr.trim().split('\n').at(-1)})`
}

const INSTALL = {
  TypeScript: installTypeScript,
  Python: () => makeEnvironment(PYTHON_HOME, OPENAPI_PYTHON),
}

/** Says where the generator is, or why it is missing and how to get it. */
function stateOf(language) {
  const isLeftOut = process.env.BROKER_TEST_INSTALL === 'no'
  const failed =
    findGenerator(language) !== undefined || isLeftOut ? undefined : INSTALL[language]()
  const found = findGenerator(language)
  return found !== undefined
    ? `Generator of clients in ${language}: ${found}`
    : `Generated clients in ${language} are not tested. ${failed ?? 'Run node scripts/client-generators.mjs to install the generator.'}`
}

if (process.argv[1] === import.meta.filename)
  for (const language of Object.keys(INSTALL)) process.stdout.write(`${stateOf(language)}\n`)

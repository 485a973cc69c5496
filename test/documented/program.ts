import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBuilt } from '../../scripts/recipe-needs.mjs'
import { findPython } from '../../scripts/python-guard.mjs'

/**
 * The programs that documented commands name, first in their PATH. A server runs until it listens,
 * and then on until the page ends, because the next command may use it. `npm install` finds the
 * packages of this repository. Commands about the machine itself (a service, a user) are left out.
 */

const ROOT = resolve(import.meta.dirname, '../..')
const DIR = process.env.DOCUMENTED_DIR ?? ''
const SHIMS = join(process.env.DOCUMENTED_PROGRAMS ?? '')
// The conformance kit starts the guard in Python.
const withJwt = findPython()
const PATH = [
  ...(withJwt === undefined ? [] : [dirname(withJwt)]),
  ...(process.env.PATH ?? '').split(delimiter).filter((dir) => dir !== SHIMS),
]
/** The exit code of a command whose program is missing on this machine. */
const MISSING = 99
const START_MS = 150_000

const [name = '', ...args] = process.argv.slice(2)

function real(
  program: string,
  file = PATH.map((dir) => join(dir, program)).find((candidate) => existsSync(candidate)),
): string {
  if (file !== undefined) return file
  process.stderr.write(`MISSING ${program}\n`)
  process.exit(MISSING)
}
const NODE = existsSync(join(ROOT, 'node_modules/.bin/node'))
  ? join(ROOT, 'node_modules/.bin/node')
  : process.execPath

interface Options {
  env?: Record<string, string>
  cwd?: string
}
const whole = ({ env, cwd }: Options = {}) => ({
  cwd,
  env: {
    ...process.env,
    HOME: process.env.DOCUMENTED_HOME ?? '',
    PATH: PATH.join(delimiter),
    ...env,
  },
})

function run(
  file: string,
  given: readonly string[],
  options?: Options & { input?: string },
): number {
  const { status, error, stdout, stderr } = spawnSync(file, given, {
    ...whole(options),
    input: options?.input,
    encoding: 'utf8',
  })
  process.stdout.write(stdout ?? '')
  process.stderr.write(error?.message ?? stderr)
  return status ?? 1
}

/** Returns the processes of this group and of the groups that its members lead. */
function groupOf(leader: number): number[] {
  const all = readdirSync('/proc')
    .filter((candidate) => /^\d+$/.test(candidate))
    .flatMap((pid) => {
      try {
        const [, parent, group] =
          /\) \S (\d+) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return [{ pid: Number(pid), parent: Number(parent), group: Number(group) }]
      } catch {
        return []
      }
    })
  const found = new Set([leader])
  for (let size = 0; size !== found.size;) {
    size = found.size
    for (const { pid, parent, group } of all)
      if (found.has(parent) || found.has(group)) found.add(pid)
  }
  return [...found]
}

/** Returns the listening sockets, by inode. */
function listening(): Set<string> {
  const lines = (file: string): string[][] => {
    try {
      return readFileSync(`/proc/net/${file}`, 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
    } catch {
      return []
    }
  }
  const tcp = ['tcp', 'tcp6']
    .flatMap(lines)
    .flatMap((fields) => (fields[3] === '0A' ? [fields[9] ?? ''] : []))
  const unix = lines('unix').flatMap((fields) =>
    fields[3] === '00010000' ? [fields[6] ?? ''] : [],
  )
  return new Set([...tcp, ...unix])
}

function listens(leader: number): boolean {
  const sockets = listening()
  return groupOf(leader).some((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).some((fd) =>
        sockets.has(/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? ''),
      )
    } catch {
      return false
    }
  })
}

/**
 * Starts a server. It ends with its page, or at once where `ends` is true.
 * @param until the output that shows that it is ready; the default is that it listens
 */
async function serve(
  file: string,
  given: readonly string[],
  options: Options & { until?: RegExp; ends?: boolean } = {},
): Promise<number> {
  const log = join(mkdtempSync(join(DIR, 'server-')), 'log')
  const out = openSync(log, 'w')
  const child = spawn(file, given, {
    ...whole(options),
    stdio: ['ignore', out, out],
    detached: true,
  })
  closeSync(out)
  const gone = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))
  child.once('error', (error) => process.stderr.write(`${error.message}\n`))
  const { pid } = child
  if (pid === undefined) return 1
  appendFileSync(join(DIR, 'servers'), `${pid}\n`)
  const printed = (): string => readFileSync(log, 'utf8')
  const isReady = (): boolean =>
    options.until === undefined ? listens(pid) : options.until.test(printed())
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
  for (const end = Date.now() + START_MS; !hasEnded() && !isReady(); await sleep(50)) {
    if (Date.now() < end) continue
    process.stderr.write(`It did not start:\n${printed()}`)
    return 1
  }
  // A server with a fatal problem ends soon after it listens.
  if (!hasEnded()) await sleep(200)
  if (hasEnded()) {
    process.stderr.write(`It ended:\n${printed()}`)
    return (await gone) || 1
  }
  process.stdout.write(printed())
  if (options.ends !== true) {
    child.unref()
    return 0
  }
  process.kill(-pid, 'SIGINT')
  return gone
}

/** Runs a program in a terminal, because programs of this repository ask questions only there. */
const inTerminal = (file: string, given: readonly string[], input: string): number => {
  const quoted = [file, ...given]
    .map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`)
    .join(' ')
  return run(real('script'), ['-qefc', quoted, '/dev/null'], { input: `${input}\n` })
}

const CLI = join(ROOT, 'dist/src/cli.js')
let port = Number(process.env.DOCUMENTED_PORT ?? 0)

function cmb(given: string[]): number | Promise<number> {
  const [command = ''] = given.filter((candidate) => !candidate.startsWith('-'))
  if (command === 'serve' || command === 'work') {
    // Each page has a machine of its own, so the server gets its own directory and ports.
    const dir = mkdtempSync(join(DIR, 'data-'))
    port += process.pid % 500
    const own = {
      BROKER_DATA_DIR: dir,
      BROKER_LISTEN: `127.0.0.1:${port}`,
      BROKER_OPS_LISTEN: `127.0.0.1:${port + 500}`,
    }
    return serve(NODE, [CLI, ...given], { env: own, until: /"event":"(serving|working)"/ })
  }
  if (given.includes('--yes') || given.includes('--dry-run')) return run(NODE, [CLI, ...given])
  return inTerminal(NODE, [CLI, ...given], 'yes')
}

function npx([program = '', ...given]: string[]): number | Promise<number> {
  if (program === 'cmb') return run(NODE, [join(ROOT, 'scripts/cmb.mjs'), ...given])
  if (program === '@case-manager/guard') {
    const serves =
      given[0] === 'serve' && !given.some((candidate) => ['--help', '--check'].includes(candidate))
    const bin = join(ROOT, 'guard/dist/serve/bin.js')
    return serves
      ? serve(NODE, [bin, ...given], { until: /enforces revocations up to seq/ })
      : run(NODE, [bin, ...given])
  }
  if (program !== 'broker-dev' && program !== '@case-manager/broker-dev')
    return fail(`npx ${program}`)
  const bin = join(ROOT, 'broker-dev/dist/broker-dev/src/bin.js')
  return given.includes('--help')
    ? run(NODE, [bin, ...given])
    : serve(NODE, [bin, '--port', '0', ...given], { until: /is ready/ })
}

const fail = (what: string): number => {
  process.stderr.write(`test/documented/program.ts has no way to run: ${what}\n`)
  return 1
}

/** Runs npm. Packages are those of the repository's lock file; any other is an error. */
function npm(given: string[]): number | Promise<number> {
  const [command = '', ...rest] = given
  // The recipe is already built, in a directory of its own.
  const next = process.cwd().includes('nextjs')
    ? join(real('next', findBuilt('nextjs')), '../../../../..')
    : undefined
  const here = next ?? process.cwd()
  const own = existsSync(join(here, 'package.json'))
  if (command === 'install') {
    const names = rest.filter((candidate) => !candidate.startsWith('-'))
    const from = createRequire(join(own ? here : ROOT, 'package.json'))
    const missing = names.filter((candidate) =>
      from.resolve.paths(candidate)?.every((dir) => !existsSync(join(dir, candidate))),
    )
    return missing.length === 0 ? 0 : fail(`npm install ${missing.join(' ')}`)
  }
  if (own && command === 'run') return run(real('npm'), given, { cwd: here })
  if (own) return serve(real('npm'), given, { cwd: here, env: { NEXT_TELEMETRY_DISABLED: '1' } })
  // The packages are already installed and built.
  const ours = ['--prefix', ROOT, '--ignore-scripts', ...given]
  if (command === 'start') return serve(real('npm'), ours, { until: /"event":"serving"/ })
  if (rest[0] === 'demo')
    return serve(real('npm'), ours, { until: /Ctrl-C|^\{"issuer/m, ends: true })
  return fail(`npm ${given.join(' ')}`)
}

function nginx(given: string[]): number | Promise<number> {
  const conf = ['-e', 'stderr', '-p', process.cwd(), '-c', join(process.cwd(), 'nginx.conf')]
  return given[0] === '-t' ? run(real('nginx'), [...conf, '-t']) : serve(real('nginx'), conf)
}

const flask = (): string => real('flask', findBuilt('flask'))
const fastapi = (): string => real('fastapi', findBuilt('fastapi'))
const python = (): string => real('case-manager-guard', withJwt)
/** Returns the Python environment with the requirements of this folder. */
const pythonHere = (): string =>
  process.cwd().includes('flask')
    ? flask()
    : process.cwd().includes('fastapi')
      ? fastapi()
      : python()

const PROGRAMS: Record<string, () => number | Promise<number>> = {
  cmb: () => cmb(args),
  npx: () => npx(args),
  npm: () => npm(args),
  nginx: () => nginx(args),
  node: () => serve(NODE, args),
  pip: () => run(pythonHere(), ['-m', 'pip', '--disable-pip-version-check', ...args]),
  python3: () => run(python(), args),
  flask: () => serve(flask(), ['-m', 'flask', ...args]),
  uvicorn: () => serve(fastapi(), ['-m', 'uvicorn', ...args]),
  go: () => serve(real('go'), args, { env: { GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' } }),
  dotnet: () =>
    findBuilt('aspnet') === undefined
      ? real('dotnet', findBuilt('aspnet')).length
      : serve(real('dotnet'), [findBuilt('aspnet') ?? ''], { until: /Now listening on/ }),
  mvn: () =>
    findBuilt('spring') === undefined
      ? real('mvn', findBuilt('spring')).length
      : serve(real('mvn'), ['-o', '-q', '-B', ...args]),
  caddy: () => (args.includes('run') ? serve(real('caddy'), args) : run(real('caddy'), args)),
  haproxy: () => run(real('haproxy'), args),
  envoy: () =>
    serve(real('envoy', findBuilt('envoy')), [
      ...args,
      '--disable-hot-restart',
      '--concurrency',
      '1',
    ]),
  traefik: () => serve(real('traefik', findBuilt('traefik')), args),
  'oauth2-proxy': () =>
    serve(real('oauth2-proxy', findBuilt('oauth2-proxy')), [
      ...args,
      '--provider-ca-file',
      process.env.NODE_EXTRA_CA_CERTS ?? '',
    ]),
  systemctl: () => 0,
  useradd: () => 0,
}

process.exit(await (PROGRAMS[name]?.() ?? fail(name)))

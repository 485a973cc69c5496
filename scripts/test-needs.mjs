// What the tests want of the machine besides Node: Chromium for the pages, Valkey (or Redis) for the queue, promtool for the alert rules.
// As root on Debian it installs what is missing, and says so; elsewhere it says which tests are then left out. BROKER_TEST_INSTALL=no: only says.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const onPath = (name) => (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, name)))

const NEEDS = [
  {
    there: () => Boolean(process.env.CHROMIUM) || onPath('chromium'),
    packages: ['chromium', 'fonts-dejavu-core'],
    without: 'the tests in a browser (test/browser)',
  },
  {
    there: () => onPath('valkey-server') || onPath('redis-server'),
    packages: ['valkey-server'],
    without: "the tests of the broker's own Valkey (the queue is then Postgres from the npm registry)",
  },
  { there: () => onPath('promtool'), packages: ['prometheus'], without: 'the tests of the alert rules' },
]

const missing = NEEDS.filter((need) => !need.there())
const packages = missing.flatMap((need) => need.packages)
const mayInstall = process.getuid?.() === 0 && onPath('apt-get') && process.env.BROKER_TEST_INSTALL !== 'no'

if (missing.length > 0 && mayInstall) {
  console.error(`Installing ${packages.join(', ')} with apt-get, which the tests use (BROKER_TEST_INSTALL=no: not)…`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => spawnSync('apt-get', ['-q', '-y', ...args], { env, stdio: ['ignore', 'ignore', 2] }).status === 0
  // Servers of Debian's packages would start by themselves; the tests start their own.
  if (!apt('update') || !apt('install', '--no-install-recommends', ...packages)) console.error('apt-get did not succeed; what it said stands above.')
}
for (const need of missing.filter((one) => !one.there())) {
  console.error(`Not there: ${need.packages[0]}. Without it ${need.without} are left out.`)
  // A check that left something out would be no check.
  if (process.env.CI) process.exitCode = 1
}

// What the recipes of examples/ use (npm run test:recipes). As root on Debian or Ubuntu it installs the proxies by itself; a recipe whose software is still missing is left
// out of the run and named there, which is no failure. BROKER_TEST_INSTALL=no: nothing is installed.
import { existsSync } from 'node:fs'
import { isOnPath, provide, runApt } from './test-needs.mjs'

const without = 'Its recipe does not run.'
const NEEDS = [
  { name: 'nginx', programs: ['nginx'], alternatives: [['nginx-light'], ['nginx']], without },
  { name: 'HAProxy', programs: ['haproxy'], alternatives: [['haproxy']], without },
  { name: 'Caddy', programs: ['caddy'], alternatives: [['caddy']], without },
]

const isThere = (program) => (program.startsWith('/') ? existsSync(program) : isOnPath(program))
const mayInstall = process.getuid?.() === 0 && isOnPath('apt-get') && process.env.BROKER_TEST_INSTALL !== 'no'
provide({ needs: NEEDS, isThere, apt: runApt, mayInstall, say: (line) => console.error(line) })

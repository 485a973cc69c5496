import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../markdown.ts'

/**
 * No condition of a test is an elapsed time: a busy machine would fail it. A test waits for what it
 * wants, and asserts an order or a count. The files that read how long something took are listed
 * with the reason.
 */

const FIGURE = 'It prints the time as a figure, and asserts nothing about it.'
const ORDER = 'Timers never fire early, so a busy machine only widens what is asserted.'
const LISTED: Record<string, string> = {
  'test/containers/load.ts': FIGURE,
  'test/containers/patroni.ts':
    'The lease is the claim: no check or answer begins later than it, however busy the machine is.',
  'test/demo-entra/application.test.ts': 'It makes a certificate that has expired.',
  'test/guard/adapters.test.ts': FIGURE,
  'test/guard/serve/ended.test.ts': FIGURE,
  'test/process/chaos/broker.ts': 'It is the clock of a broker.',
  'test/process/chaos/cluster-watch.ts':
    'No guard accepts later than its lease. The time of a guard that is live is a condition of the long run alone; the test allows 15 s.',
  'test/process/chaos/cluster.ts': FIGURE,
  'test/process/chaos/cut-off.ts': 'It bounds how long a first answer is waited for.',
  'test/process/chaos/faults.ts': 'It keeps when the last fault ended.',
  'test/process/chaos/run.ts': FIGURE,
  'test/process/chaos/scene.ts': FIGURE,
  'test/process/chaos/witness.ts': FIGURE,
  'test/process/cluster/load.ts': FIGURE,
  'test/process/cluster/restarts.ts': 'It is how long the run goes on.',
  'test/process/planned-restart.test.ts': FIGURE,
  'test/recipes/applications.ts': FIGURE,
  'test/recipes/new-device-mail.ts': FIGURE,
  'test/recipes/oauth2-proxy.ts': FIGURE,
  'test/recipes/proxies.ts': FIGURE,
  'test/revocation/feed.test.ts': ORDER,
  'test/revocation/guard-of.ts': 'It is the clock of a guard.',
  'test/rig.ts': 'It is the clock of a broker.',
  'test/store/bounded.test.ts':
    'It compares two acts of one process, of which the wrong one reads a thousand times the rows.',
  'test/store/pace.test.ts': 'It holds the event loop for a time.',
  'test/store/receipts.test.ts': 'It gives the store the time of its lease.',
  'test/workers/deliver-logout.test.ts': 'It moves the clock of the rig with that of the machine.',
  'test/workers/workers.test.ts': ORDER,
}

const MEASURES = /performance\.now\(\)|hrtime|Date\.now\(\)\s*-|-\s*Date\.now\(\)/

test('a file that measures how long something took is listed with its reason, and no other', () => {
  const files = globSync('test/**/*.{ts,tsx}', { cwd: ROOT }).filter(
    (file) =>
      !file.startsWith('test/house/') && MEASURES.test(readFileSync(join(ROOT, file), 'utf8')),
  )
  expect(files.toSorted()).toEqual(Object.keys(LISTED).toSorted())
})

test('no assertion compares a measured time with a bound', () => {
  const compared = globSync('test/**/*.{ts,tsx}', { cwd: ROOT }).filter((file) =>
    /expect(?:\.\w+)?\((?:performance\.now\(\)|Date\.now\(\))[^\n]*\)\.toBe(?:Less|Greater)/.test(
      readFileSync(join(ROOT, file), 'utf8'),
    ),
  )
  expect(compared).toEqual([])
})

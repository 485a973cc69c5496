import { expect, test } from 'vitest'
import { HAPROXY, QUEUE_SERVER } from '../needs.ts'
import { HAS_POSTGRES } from '../postgres.ts'
import { runRestarts } from './cluster/restarts.ts'

/** A short run of `npm run restarts`: two brokers behind HAProxy, workers apart from them, one Postgres and one queue server. */

test.skipIf(!HAS_POSTGRES || HAPROXY === undefined || QUEUE_SERVER === undefined)(
  'brokers and workers restart one after another under load: no request fails, every sign-out reaches its instance, and guards are live in the end',
  async () => {
    const report = await runRestarts({ users: 4, seconds: 1, say: () => {} })
    process.stdout.write(`restarts: ${JSON.stringify(report)}\n`)
    expect(report).toMatchObject({ failed: 0, failures: [], undelivered: 0, guardsLost: 0, restarts: 4 })
    expect(report.requests).toBeGreaterThan(100)
    expect(report.signOuts).toBeGreaterThan(3)
  },
  // Each start takes a second, and many on a busy machine.
  400_000,
)

import { expect, test } from 'vitest'
import { HAPROXY, QUEUE_SERVER } from '../needs.ts'
import { HAS_POSTGRES } from '../postgres.ts'
import { runClusterChaos } from './chaos/cluster.ts'

/** The seed in .ci/run, so that a failure comes from the change and not from the seed. */
const CI_SEED = 31
/**
 * The time within which guards may reject tokens while nothing fails. It is long, because this test
 * says nothing about a busy machine. `npm run chaos` demands a second.
 */
const LIVE_MS = 15_000

/** A short run of `npm run chaos -- --store postgres`. */
test.skipIf(!HAS_POSTGRES || HAPROXY === undefined || QUEUE_SERVER === undefined)(
  'two brokers and two workers on one Postgres, while each is killed and a broker is cut off from Postgres: what was revoked is rejected by every broker and guard, none is lost, and no user is signed out wrongly',
  async () => {
    const seed = Number(
      process.env.CHAOS_SEED ?? (process.env.CI ? CI_SEED : Math.floor(Math.random() * 2 ** 31)),
    )
    console.log(
      `chaos: seed ${seed} (again: npm run chaos -- --store postgres --seed ${seed} --revocations 10 --users 3 --short)`,
    )
    const report = await runClusterChaos({
      seed,
      revocations: 10,
      users: 3,
      brokers: 2,
      short: true,
      liveMs: LIVE_MS,
      say: (words) => console.log(words),
    })
    console.log(`chaos: ${JSON.stringify(report)}`)
    expect(report.revocations).toBeGreaterThanOrEqual(10)
    expect(report.brokersAsked.rejected).toBeGreaterThan(10)
    expect(report.guards.calm.times + report.guards.beside.times).toBeGreaterThan(0)
  },
  1_200_000,
)

import { expect, test } from 'vitest'
import { QUEUE_ENGINES } from '../needs.ts'
import { runChaos } from './chaos/run.ts'

/** The seed in .ci/run, so that a failure comes from the change and not from the seed. */
const CI_SEED = 756_425_299

/**
 * A short run of `npm run chaos`, with another seed each time outside .ci/run: the long one is done
 * by hand. On Valkey or Redis where this machine has one; .ci/run has a step for the embedded
 * Postgres.
 */
test.each(QUEUE_ENGINES.slice(0, 1))(
  'on $engine: twenty revocations beside five dead neighbors, while every kind of fault happens once: none is lost, nobody is signed out wrongly, and the sixth waits for none of them',
  async ({ engine, path }) => {
    const seed = Number(
      process.env.CHAOS_SEED ?? (process.env.CI ? CI_SEED : Math.floor(Math.random() * 2 ** 31)),
    )
    console.log(
      `chaos: seed ${seed} (again: npm run chaos -- --seed ${seed} --revocations 20 --users 4 --pending 300 --no-restore${engine === 'postgres' ? ' --embedded-queue' : ''})`,
    )
    const report = await runChaos({
      seed,
      revocations: 20,
      users: 4,
      pending: 300,
      restore: false,
      path,
      say: () => {},
    })
    console.log(`chaos: ${JSON.stringify(report)}`)
    expect(report.revocations).toBeGreaterThanOrEqual(20)
  },
  1_200_000,
)

import { expect, test } from 'vitest'
import { QUEUE_ENGINES } from '../needs.ts'
import { runChaos } from './chaos/run.ts'

/** A short run of `npm run chaos`, each time with another seed: the long one is done by hand. */
test.each(QUEUE_ENGINES)(
  'on $engine: twenty revocations while broker, queue server and instances are killed, paused and cut off: none is lost, and nobody is signed out who should not be',
  async ({ engine, path }) => {
    const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
    console.log(
      `chaos: seed ${seed} (again: npm run chaos -- --seed ${seed} --revocations 20 --users 4 --no-restore${engine === 'postgres' ? ' --embedded-queue' : ''})`,
    )
    const report = await runChaos({ seed, revocations: 20, users: 4, restore: false, path, say: () => {} })
    console.log(`chaos: ${JSON.stringify(report)}`)
    expect(report.revocations).toBeGreaterThanOrEqual(20)
  },
  600_000,
)

import { expect, test } from 'vitest'
import { runChaos } from './chaos/run.ts'

/** A short run of `npm run chaos`, each time with another seed: the long one is done by hand. */
test('forty revocations while broker, queue server and instances are killed, paused and cut off: none is lost, and nobody is signed out who should not be', async () => {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`chaos: seed ${seed} (again: npm run chaos -- --seed ${seed} --revocations 40 --users 4 --no-restore)`)
  const report = await runChaos({ seed, revocations: 40, users: 4, restore: false, say: () => {} })
  console.log(`chaos: ${JSON.stringify(report)}`)
  expect(report.revocations).toBeGreaterThanOrEqual(40)
}, 600_000)

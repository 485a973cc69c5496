import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { QUEUE_ENGINES } from '../needs.ts'

/**
 * No violation in `npm run bench:bound` means something only if it finds a guard or a receipt that is
 * wrong.
 */

const BENCH = join(import.meta.dirname, '../../dist/bench/bound.js')

test.runIf(QUEUE_ENGINES.some(({ engine }) => engine !== 'postgres'))(
  'the measure of the bound finds wrong leases, sessions that no guard judges, and wrong receipts',
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BENCH, '--self-check'])
    expect(stdout).toMatch(
      /[1-9]\d* violations of 12 guards with a wrong lease, [1-9]\d* of 3 .*, 0 others/,
    )
    expect(stdout).toMatch(/receipts that say of sessions .*: [1-9]\d* violations, 0 others/)
  },
  300_000,
)

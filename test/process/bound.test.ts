import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { QUEUE_ENGINES } from '../needs.ts'

/**
 * No violation in `npm run bench:bound` means something only if it finds a guard that is wrong.
 */

const BENCH = join(import.meta.dirname, '../../dist/bench/bound.js')

test.runIf(QUEUE_ENGINES.some(({ engine }) => engine !== 'postgres'))(
  'the measure of the bound finds guards that count their lease from the receipt of a heartbeat',
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [BENCH, '--self-check'])
    expect(stdout).toMatch(/[1-9]\d* violations of 15 guards .* 0 of 5 others/)
  },
  240_000,
)

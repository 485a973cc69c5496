import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measure, selfCheck } from './lease-bound/measure.ts'
import { readOptions } from './machine/options.ts'

/**
 * `npm run bench lease-bound`: looks for a guard that accepts a revoked token or session in a request that
 * was sent later than its lease after the acknowledgment, and for a receipt that says more than what
 * happened, under faults at random. Half of the guards judge sessions as well as tokens. The exit
 * code is 1 if it finds any.
 */

const USAGE = `npm run bench lease-bound -- [options]
  --faults N      how many faults must be counted: a fault counts once for each guard that it hits
                  while a revocation is acknowledged (default 10000; an hour)
  --only PARTS    of sqlite-1, postgres-1, sqlite-5, postgres-5, sqlite-30, postgres-30, by commas
                  (the store, and the lease in seconds; default: all)
  --each N        instead of --faults: until each kind of fault was counted N times, by tokens and by
                  sessions; on Postgres those of brokers and of Postgres alone
  --each-clock N  only faults of clocks and lines, until each of clocks was counted N times
  --guards N      guards in Node, each behind a line of its own (default 100)
  --seed N        the same faults again (default 1)
  --state FILE    where results are kept; a run that was stopped goes on from there
                  (default: a file of this seed in the folder for temporary files)
  --self-check    runs guards that are wrong on purpose (some count their lease from the receipt of a
                  heartbeat, some do not judge the sessions that they say they judge), and receipts
                  that say of sessions what is true of tokens; fails unless it finds that they are
  --help          prints this
The table goes to the standard output, the progress to the standard error.`

const { values } = readOptions(USAGE, {
  faults: { type: 'string', default: '10000' },
  only: {
    type: 'string',
    default: 'sqlite-1,postgres-1,sqlite-5,postgres-5,sqlite-30,postgres-30',
  },
  each: { type: 'string' },
  'each-clock': { type: 'string' },
  guards: { type: 'string', default: '100' },
  seed: { type: 'string', default: '1' },
  state: { type: 'string' },
  'self-check': { type: 'boolean', default: false },
})
const seed = Number(values.seed)
if (values['self-check']) await selfCheck(seed)
else
  await measure({
    seed,
    faults: Number(values.faults),
    guards: Number(values.guards),
    each: Number(values['each-clock'] ?? values.each ?? 0),
    only: values['each-clock'] === undefined ? undefined : 'clocks',
    names: values.only.split(','),
    file: values.state ?? join(tmpdir(), `cmb-bound-${seed}.json`),
  })

import { parseArgs } from 'node:util'
import { runChaos } from './run.ts'

/** A long run by hand; the same seed makes the same decisions. */
const HELP = `Usage: npm run chaos -- [--seed N] [--revocations 1000] [--users 8] [--pending 5000] [--no-restore] [--embedded-queue]

Users sign in and out while broker, queue server and instances are killed, paused and cut off, instances fail for some sessions, the broker's clock is set
forwards and backwards, five instances are dead with --pending deliveries each, and the database is restored once. At the end every acknowledged revocation
is delivered to every participant or rejected and visible, nobody is signed out who should not be, and guards were live soon after each return of the
broker; else the exit code is 1.`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    revocations: { type: 'string', default: '1000' },
    users: { type: 'string', default: '8' },
    pending: { type: 'string', default: '5000' },
    restore: { type: 'boolean', default: true },
    'embedded-queue': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const seed = Number(values.seed)
console.log(`seed ${seed} (again: npm run chaos -- --seed ${seed})`)
try {
  const report = await runChaos({
    seed,
    revocations: Number(values.revocations),
    users: Number(values.users),
    pending: Number(values.pending),
    restore: values.restore,
    path: values['embedded-queue'] ? '/nonexistent' : (process.env.PATH ?? ''),
    say: (words) => console.log(words),
  })
  console.log(JSON.stringify(report))
} catch (error) {
  console.error(error)
  console.error(`seed ${seed}: not as it must be`)
  process.exitCode = 1
}

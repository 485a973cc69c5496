import { parseArgs } from 'node:util'
import { runRestarts } from './restarts.ts'

/** A long run by hand. */
const HELP = `Usage: npm run restarts -- [--minutes 10] [--users 8]

Two brokers behind HAProxy (with the configuration of compose.yaml), two workers, Postgres, and Valkey or Redis. Users sign in, refresh and sign out while
brokers and workers are restarted one after another. No request may fail, every sign-out must reach its instance, and every guard must be live in the end.
Otherwise the exit code is 1.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    users: { type: 'string', default: '8' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const report = await runRestarts({
  users: Number(values.users),
  seconds: Number(values.minutes) * 60,
  say: (words) => console.log(words),
})
console.log(JSON.stringify(report))
process.exitCode = report.failed + report.undelivered + report.guardsLost > 0 ? 1 : 0

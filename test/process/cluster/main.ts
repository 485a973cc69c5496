import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runRestarts, runUpgrade } from './restarts.ts'

/** A long run by hand. */
const HELP = `Usage: npm run restarts -- [--minutes 10] [--users 8]
       npm run restarts -- --from DIR [--users 8]

Two brokers behind HAProxy (with the configuration of compose.yaml), two workers, Postgres, and Valkey or Redis. Users sign in, refresh and sign out while
brokers and workers are restarted one after another. No request may fail, every sign-out must reach its instance, and every guard must be live in the end.
Otherwise the exit code is 1.

With --from: the first brokers are of a former version, built in DIR. Its tables are migrated while it serves, and this version replaces one broker after the
other. No request may fail but where a broker of the former version ends.`

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    users: { type: 'string', default: '8' },
    from: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const say = (words: string): void => console.log(words)
const users = Number(values.users)

/** @returns requests that failed */
async function restarted() {
  const report = await runRestarts({ users, seconds: Number(values.minutes) * 60, say })
  return { report, failed: report.failed }
}

async function upgraded(from: string) {
  const report = await runUpgrade({ from, users, say })
  const failed = Object.entries(report.parts).filter(([part]) => !part.endsWith('is replaced'))
  return { report, failed: failed.reduce((sum, [, part]) => sum + part.failed, 0) }
}

const { report, failed } = await (values.from === undefined ? restarted() : upgraded(resolve(values.from)))
console.log(JSON.stringify(report))
process.exitCode = failed + report.undelivered + report.guardsLost > 0 ? 1 : 0

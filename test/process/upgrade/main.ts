import { parseArgs } from 'node:util'
import { ROOT } from '../../markdown.ts'
import { upgradeOnPostgres, upgradeOnSqlite } from './upgrade.ts'
import { build, makeReleases, temporary } from './versions.ts'

/** The upgrade from tag to tag, or between two releases of this work tree. */
const HELP = `Usage: npm run upgrades -- [--from TAG --to TAG] [--users 8] [--store sqlite|postgres]

Builds both versions, and upgrades from one to the other as docs/deploy.md says, while users sign in, refresh and sign out: one broker on SQLite, then
two brokers and two workers on Postgres behind HAProxy. Goes back by the backup that it made before. No session may be lost or come back, no request may
fail on Postgres (or, on SQLite, while a broker runs), at least 11 users must sign out, every sign-out must reach its instance, and every guard must
be live in the end. Otherwise the exit code is 1. Without tags it makes two releases of this work tree, in a repository of their own.`

/** With fewer sign-outs, a run shows too little of whether they reach their instances. */
const LEAST_SIGN_OUTS = 11

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    users: { type: 'string', default: '8' },
    store: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const { home, dispose } = temporary()
try {
  const { repository, tags } =
    values.from !== undefined && values.to !== undefined
      ? { repository: ROOT, tags: [values.from, values.to] as const }
      : makeReleases(home)
  const [from, to] = [build(repository, tags[0], home), build(repository, tags[1], home)]
  const say = (words: string): void => console.log(words)
  const options = { from, to, users: Number(values.users), say }
  for (const upgrade of [upgradeOnSqlite, upgradeOnPostgres]) {
    if (values.store !== undefined && !upgrade.name.toLowerCase().endsWith(values.store)) continue
    const report = await upgrade(options)
    console.log(JSON.stringify(report))
    const { failed, undelivered, guardsLost, signOuts } = report
    if (failed + undelivered + guardsLost > 0 || signOuts < LEAST_SIGN_OUTS) process.exitCode = 1
  }
} finally {
  dispose()
}

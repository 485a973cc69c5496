import { parseArgs } from 'node:util'
import { runClusterChaos } from './cluster.ts'
import { runChaos } from './run.ts'
import { runVolumeChaos } from './volume.ts'

/** A long run by hand. The same seed makes the same decisions. */
const HELP = `Usage: npm run chaos -- [--seed N] [--revocations 1000] [--users 8] [--pending 5000] [--no-restore] [--embedded-queue]
       npm run chaos -- --store postgres [--brokers 2] [--seed N] [--revocations 1000] [--users 8] [--short]
       npm run chaos -- --put-back 20 [--seed N] [--users 8]

Users sign in and out while broker, queue server and instances are killed, paused and cut off, instances fail for some sessions, the broker's clock is set
forwards and backwards, five instances are dead with --pending deliveries each, and the database is restored once. At the end every acknowledged revocation
is delivered to every participant or rejected and visible, no user is signed out wrongly, and guards were live soon after each return of the
broker. Otherwise the exit code is 1.

With --store postgres: brokers behind HAProxy, two workers, Postgres with a synchronous standby, PgBouncer before every other process, and one queue server
are killed, paused, restarted and cut off from each other, one broker once for more than a minute, and instances too. The standby is promoted, with the old primary dead or alive beside it. Every
broker rejects every request after an acknowledged revocation, guards reject within a second while all is calm and otherwise by their leases, no
revocation is lost, and no user is signed out wrongly. Otherwise the exit code is 1. With --short: one Postgres, no pooler, fewer kinds of faults, and each once.

With --put-back: as many times as it says, the volume of Postgres is put back as it was before, by turns under two running brokers and workers that
revoke, and while no process runs, after which they start in any order. No session that was ended lives, and a new log begins.`

const { values } = parseArgs({
  allowNegative: true,
  options: {
    store: { type: 'string', default: 'sqlite' },
    brokers: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    revocations: { type: 'string', default: '1000' },
    users: { type: 'string', default: '8' },
    short: { type: 'boolean', default: false },
    pending: { type: 'string', default: '5000' },
    restore: { type: 'boolean', default: true },
    'put-back': { type: 'string', default: '0' },
    'embedded-queue': { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
const seed = Number(values.seed)
const onPostgres = values.store === 'postgres'
const rounds = Number(values['put-back'])
const common = {
  seed,
  revocations: Number(values.revocations),
  users: Number(values.users),
  say: (words: string) => console.log(words),
}
console.log(
  `seed ${seed} (again: npm run chaos -- ${rounds > 0 ? `--put-back ${rounds} ` : ''}${onPostgres ? `--store postgres --brokers ${values.brokers} ` : ''}--seed ${seed})`,
)

const onSqlite = (): Promise<object> =>
  runChaos({
    ...common,
    pending: Number(values.pending),
    restore: values.restore,
    path: values['embedded-queue'] ? '/nonexistent' : (process.env.PATH ?? ''),
  })
const onVolume = (): Promise<object> =>
  runVolumeChaos({ ...common, brokers: Number(values.brokers), rounds })
const onCluster = (): Promise<object> =>
  runClusterChaos({
    ...common,
    brokers: Number(values.brokers),
    short: values.short,
    liveMs: 1_000,
  })

try {
  const run = rounds > 0 ? onVolume : onPostgres ? onCluster : onSqlite
  console.log(JSON.stringify(await run()))
} catch (error) {
  console.error(error)
  console.error(`seed ${seed}: not as it must be`)
  // Parts that the run has started may still keep the process alive.
  process.exit(1)
}

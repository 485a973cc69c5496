import type { Command } from 'commander'
import { join, resolve } from 'node:path'
import { systemClock } from '../../runtime/clock.ts'
import { storeFailure } from './broker.ts'
import { asJson, databaseDefault, examples, namedDatabaseUrl, type Context } from './context.ts'
import { lines } from './show.ts'

/** Defines `cmb migrate-store`, which moves a stopped broker's store from SQLite to Postgres. */
export function migrateStoreCommand(program: Command, context: Context): void {
  examples(
    program
      .command('migrate-store')
      .description(
        'Move the store of a stopped broker from SQLite to an empty Postgres database. No user is signed out. The SQLite file is disabled at the end.',
      )
      .option('--from <file>', 'the SQLite file (default: broker.db in the data directory)')
      .option('--to <url>', `the Postgres database, prepared by cmb migrate (${databaseDefault})`)
      .option('--check', 'read and check everything, and change nothing')
      .addOption(asJson())
      .action(
        async (options: { from?: string; to?: string; check?: boolean }, command: Command) => {
          const moved = await move(context, command, options)
          context.print(command, moved, () => shown(moved))
        },
      ),
    'cmb migrate-store --from data/broker.db --to postgres://broker@db.internal/broker --check',
    'cmb migrate-store --from data/broker.db --to postgres://broker@db.internal/broker',
  )
}

async function move(
  context: Context,
  command: Command,
  { from, to, check = false }: { from?: string; to?: string; check?: boolean },
) {
  const url = namedDatabaseUrl(context, to)
  const file = from === undefined ? join(context.dataDir(command), 'broker.db') : resolve(from)
  const { moveStore } = await import('../../../db/move/move.ts')
  const report = (line: string): void => context.terminal.err(`${line}\n`)
  const { keptAs, ...moved } = await moveStore({
    from: file,
    to: url,
    check,
    nowMs: systemClock.nowMs,
    report,
  }).catch(storeFailure)
  return { checked_only: check, ...moved, kept_as: keptAs ?? null }
}

function shown({
  checked_only: checkedOnly,
  to,
  log,
  tables,
  kept_as: keptAs,
}: Awaited<ReturnType<typeof move>>): string {
  const rows = Object.values(tables).reduce((sum, one) => sum + one, 0)
  const facts = lines([
    ['database', to],
    ['log', `${log.seq} (epoch ${log.epoch})`],
    ['rows', String(rows)],
    ['the SQLite file is kept as', keptAs],
  ])
  return checkedOnly
    ? `${facts}\nEverything can be moved. Nothing was changed.\n`
    : `${facts}\nEvery row was copied and verified. Set BROKER_DATABASE_URL and start the broker: no user is signed out.\n`
}

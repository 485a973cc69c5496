import type { Command } from 'commander'
import { join, resolve } from 'node:path'
import { systemClock } from '../../runtime/clock.ts'
import { storeFailure } from './broker.ts'
import { databaseDefault, local, namedDatabaseUrl, option, type Context } from './context.ts'
import { inWords } from './show.ts'
import { SAYS } from './texts/answers.ts'

interface Moving {
  from?: string
  to?: string
  check?: boolean
}

/** The command `cmb migrate-store`, which moves a stopped broker's store from SQLite to Postgres. */
export const migrateStoreCommand = local<Moving>(
  {
    name: 'migrate-store',
    flags: [
      option('--from <file>', 'the SQLite file (default: broker.db in the data directory)'),
      option('--to <url>', `the Postgres database, prepared by cmb migrate (${databaseDefault})`),
      option('--check', 'read and check everything, and change nothing'),
    ],
  },
  async ({ context, self, options }) => {
    const moved = await move(context, self, options)
    const next = moved.checked_only ? SAYS.can_move : SAYS.moved
    context.print(self, moved, () => `${inWords(moved)}\n${next}\n`)
  },
)

async function move(context: Context, command: Command, { from, to, check = false }: Moving) {
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

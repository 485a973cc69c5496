import type { MigrationStep } from '../../../db/postgres/migrate.ts'
import { CommandFailure, EXIT } from './broker.ts'
import { databaseDefault, local, namedDatabaseUrl, option } from './context.ts'
import { OPTION } from './texts/options.ts'

/**
 * The command `cmb migrate`, which upgrades the tables of Postgres. With SQLite the broker does so
 * at start.
 */
export const migrateCommand = local<{ to?: string; grant?: string }>(
  {
    name: 'migrate',
    flags: [
      option('--to <url>', `the database, with the role that owns the schema (${databaseDefault})`),
      option('--grant <role>', OPTION.migrate_grant),
    ],
  },
  async ({ context, options: { to, grant } }) => {
    const at = namedDatabaseUrl(context, to)
    const { grantRole, migratePostgres } = await import('../../../db/postgres/migrate.ts')
    const applied = await migratePostgres(at, (step) =>
      context.terminal.err(`${progressOf(step)}\n`),
    ).catch((error: unknown) => failed(error))
    const missing =
      grant === undefined
        ? undefined
        : await grantRole(at, grant).catch((error: unknown) => failed(error))
    const tables =
      applied === 0
        ? 'The tables are up to date.'
        : `Applied ${applied} ${applied === 1 ? 'migration' : 'migrations'}.`
    context.terminal.out(
      `${tables}${grant === undefined ? '' : ` The role ${grant} may run the broker.`}\n`,
    )
    if (missing !== undefined)
      context.terminal.err(
        `BROKER_DATABASE_STANDBY=required needs a right that only a superuser gives: ${missing};\n`,
      )
  },
)

function progressOf(step: MigrationStep): string {
  if (step.step === 'waits') return 'Another process is migrating this database. Waiting for it…'
  if (step.step === 'builds') return `Building the index ${step.index}…`
  return `A transaction holds a table. Trying again (${step.attempt} of ${step.of})…`
}

/** Reports a failed upgrade without the database URL, which holds a password. */
function failed(error: unknown): never {
  throw new CommandFailure(
    EXIT.failed,
    `The tables were not upgraded: ${error instanceof Error ? error.message : String(error)}`,
  )
}

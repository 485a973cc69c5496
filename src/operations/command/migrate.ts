import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { databaseDefault, examples, namedDatabaseUrl, type Context } from './context.ts'

/**
 * Defines `cmb migrate`, which upgrades the tables of Postgres. With SQLite the broker does so at
 * start.
 */
export function migrateCommand(program: Command, context: Context): void {
  examples(
    program
      .command('migrate')
      .description(
        "Create or upgrade the broker's tables in Postgres. Safe while brokers of the version before run.",
      )
      .option('--to <url>', `the database, with the role that owns the schema (${databaseDefault})`)
      .option(
        '--grant <role>',
        'let this role run the broker: it may read and write rows, and may not change the tables',
      )
      .action(async ({ to, grant }: { to?: string; grant?: string }) => {
        const at = namedDatabaseUrl(context, to)
        const { grantRole, migratePostgres } = await import('../../../db/postgres/migrate.ts')
        const applied = await migratePostgres(at).catch((error: unknown) => failed(error))
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
      }),
    'cmb migrate --to postgres://owner@db.internal/broker --grant broker',
  )
}

/** Reports a failed upgrade without the database URL, which holds a password. */
function failed(error: unknown): never {
  throw new CommandFailure(
    EXIT.failed,
    `The tables were not upgraded: ${error instanceof Error ? error.message : String(error)}`,
  )
}

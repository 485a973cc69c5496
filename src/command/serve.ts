import type { Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { examples, type Context } from './context.ts'

/** The broker's own process. `--data-dir` counts here as BROKER_DATA_DIR. */
export function serveCommands(program: Command, context: Context): void {
  examples(
    program
      .command('serve')
      .description('Run the broker, its workers inside, until Ctrl-C or SIGTERM.')
      .action(async (_options: unknown, command: Command) => {
        const { serve } = await import('../main.ts')
        command.setOptionValue('exitCode', await serve({ ...context.terminal.env, BROKER_DATA_DIR: context.dataDir(command) }))
      }),
    'BROKER_ISSUER=https://login.case-manager.example BROKER_SECRET_FILE=/run/secrets/broker cmb serve',
  )
  program
    .command('work')
    .description('Run only the workers: not in this version. cmb serve runs them inside.')
    .action(() => {
      throw new CommandFailure(
        EXIT.failed,
        'This version has no process for workers alone: cmb serve runs them inside.\nOn SQLite one broker has the store for itself. On Postgres (BROKER_DATABASE_URL), start as many brokers as you need: they share the work.',
      )
    })
}

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
    .description('Run only the workers: not in this version, whose store has one writing process. cmb serve runs them inside.')
    .action(() => {
      throw new CommandFailure(
        EXIT.failed,
        'This broker keeps its state in SQLite, which has one writing process: cmb serve runs the workers inside.\nWorkers of their own, and several brokers, need a shared store (Postgres), which this version does not have.',
      )
    })
}

import type { Command } from 'commander'
import { WORK } from './protocol/work.ts'
import { examples, type Context } from './operations/command/context.ts'

/** The processes themselves: the broker, and workers apart from it. `--data-dir` counts here as BROKER_DATA_DIR. */
export function serveCommands(program: Command, context: Context): void {
  const run = async (command: Command, kind: 'broker' | 'worker', more: Record<string, string> = {}): Promise<void> => {
    const { serve } = await import('./main.ts')
    const settings = context.environment({ BROKER_DATA_DIR: context.dataDir(command), ...more })
    command.setOptionValue('exitCode', await serve(settings, {}, kind))
  }
  examples(
    program
      .command('serve')
      .description('Run the broker, until Ctrl-C or SIGTERM. It does the background work too, unless BROKER_WORK is set.')
      .action((_options: unknown, command: Command) => run(command, 'broker')),
    'BROKER_ISSUER=https://login.case-manager.example BROKER_SECRET_FILE=/run/secrets/broker cmb serve',
    'BROKER_WORK=none cmb serve   # where cmb work runs too',
  )
  examples(
    program
      .command('work')
      .description(
        "Run background work without a broker, until Ctrl-C or SIGTERM. It needs Postgres (BROKER_DATABASE_URL), the brokers' queue server (BROKER_QUEUE_URL) and their other settings.",
      )
      .option('--only <names>', 'a comma list of the kinds of work (default: BROKER_WORK, else all)')
      .addHelpText(
        'after',
        `\nKinds of work:\n${Object.entries(WORK)
          .map(([name, does]) => `  ${name.padEnd(13)} ${does}`)
          .join('\n')}`,
      )
      .action(({ only }: { only?: string }, command: Command) => run(command, 'worker', only === undefined ? {} : { BROKER_WORK: only })),
    'cmb work',
    'cmb work --only deliveries,probe',
  )
}

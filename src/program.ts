import { Command, CommanderError } from 'commander'
import { auditCommand } from './operations/command/audit.ts'
import { backupCommand } from './operations/command/backup.ts'
import { CommandFailure, EXIT } from './operations/command/broker.ts'
import { clientCommands } from './operations/command/clients.ts'
import {
  type Adder,
  createContext,
  type Context,
  local,
  option,
} from './operations/command/context.ts'
import { evidenceCommands } from './operations/command/evidence.ts'
import { freshSignInCommands } from './operations/command/fresh-sign-in.ts'
import { deliveryCommands } from './operations/command/deliveries.ts'
import { doctorCommand } from './operations/command/doctor.ts'
import { keyCommands } from './operations/command/keys.ts'
import { lockCommand, lockCommands, unlockCommand } from './operations/command/locks.ts'
import { migrateStoreCommand } from './operations/command/migrate-store.ts'
import { restoreCommand } from './operations/command/restore.ts'
import { migrateCommand } from './operations/command/migrate.ts'
import { guardsCommand, hidingCommands, statusCommand } from './operations/command/overview.ts'
import { userCommands } from './operations/command/users.ts'
import { revocationCommands, revokeCommand } from './operations/command/revocations.ts'
import { reportCommands } from './operations/command/reports.ts'
import { signInsCommand } from './operations/command/sign-ins.ts'
import { searchCommand } from './operations/command/search.ts'
import { sessionCommands } from './operations/command/sessions.ts'
import { setupCommand, tenantCommands } from './operations/command/tenants.ts'
import { streamCommands } from './operations/command/streams.ts'
import { webhookCommands } from './operations/command/webhooks.ts'
import { fenced } from './operations/command/show.ts'
import type { Terminal } from './operations/command/terminal.ts'
import { version } from './runtime/version.ts'

const serveCommand = local(
  {
    name: 'serve',
  },
  ({ context, self }) => runProcess(context, self, 'broker'),
)

const workCommand = local<{ only?: string }>(
  {
    name: 'work',
    flags: [
      option(
        '--only <names>',
        'a comma list of the kinds of work (default: BROKER_WORK, else all)',
      ),
    ],
  },
  ({ context, self, options: { only } }) =>
    runProcess(context, self, 'worker', only === undefined ? {} : { BROKER_WORK: only }),
)

const COMMANDS: readonly Adder[] = [
  serveCommand,
  workCommand,
  doctorCommand,
  statusCommand,
  ...hidingCommands,
  guardsCommand,
  clientCommands,
  searchCommand,
  signInsCommand,
  reportCommands,
  sessionCommands,
  revokeCommand,
  revocationCommands,
  freshSignInCommands,
  lockCommand,
  unlockCommand,
  lockCommands,
  deliveryCommands,
  webhookCommands,
  streamCommands,
  keyCommands,
  tenantCommands,
  setupCommand,
  auditCommand,
  evidenceCommands,
  userCommands,
  backupCommand,
  restoreCommand,
  migrateStoreCommand,
  migrateCommand,
]

/**
 * Builds the `cmb` command line. It makes no decisions: its commands ask the running broker and
 * print the answers.
 */
export function createProgram(terminal: Terminal): Command {
  const program = new Command('cmb')
    .description('Case Manager Identity Broker: run the broker, and operate a running one.')
    .version(version(), '--version', 'print the version')
    .option(
      '--data-dir <dir>',
      "the broker's data directory (default: BROKER_DATA_DIR, else ./data)",
    )
    .option(
      '--url <url>',
      "another machine's broker: the address of its operators' listener (CMB_URL)",
    )
    .option('--issuer <url>', 'with --url: the public address of that broker (CMB_ISSUER)')
    .option('--client-id <id>', 'with --url: the client whose credentials are used (CMB_CLIENT_ID)')
    .option(
      '--secret-file <file>',
      "with --url: the file of that client's secret (CMB_CLIENT_SECRET_FILE, or CMB_CLIENT_SECRET)",
    )
    .option('--json', 'print what the broker answered, as JSON')
    .addOption(option('--csv', 'print a list as CSV').conflicts('json'))
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
    })
    // Commander leaves a description unwrapped where its column is narrower, 40 by default.
    .configureHelp({ minWidthToWrap: 30 })
    .exitOverride()
    .showHelpAfterError('(add --help to list the commands and options)')
    .addHelpText(
      'after',
      '\nExit codes: 0 done; 1 rejected, or something is wrong; 2 the command or the settings are wrong; 3 no broker answers; 4 evidence whose keys are not proved.\nSettings: docs/configuration.md. cmb: docs/cmb.md. Operating: docs/operations.md.',
    )
  const context = createContext(terminal)
  for (const add of COMMANDS) add(program, context)
  return program
}

/**
 * Runs a command.
 * @returns the exit code
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode: number = EXIT.done
  const program = createProgram(terminal)
  program.hook('postAction', (_, command) => {
    exitCode = (command.getOptionValue('exitCode') as number | undefined) ?? EXIT.done
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
    if (!(error instanceof CommandFailure)) throw error
    terminal.err(`${fenced(error.message)}\n`)
    return error.exitCode
  }
}

/**
 * Runs a broker or a separate worker to its end. `--data-dir` here sets BROKER_DATA_DIR.
 */
async function runProcess(
  context: Context,
  command: Command,
  kind: 'broker' | 'worker',
  more: Record<string, string> = {},
): Promise<void> {
  const { serve } = await import('./main.ts')
  const settings = context.environment({ BROKER_DATA_DIR: context.dataDir(command), ...more })
  command.setOptionValue('exitCode', await serve(settings, {}, kind))
}

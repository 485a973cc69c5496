import { Argument, type Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { asJson, caseOption, commentOption, type Context, examples, saidOf } from './context.ts'
import { columns, time, type Cell } from './show.ts'

/** Signing keys. */
export function keyCommands(program: Command, context: Context): void {
  const keys = program.command('keys').description('List, rotate and retire signing keys.')
  keys
    .command('list')
    .description('List every key: next (published ahead), active (signs), retiring (still published), retired.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ keys: Record<string, Cell>[] }>('/keys')
      context.print(command, answer, () =>
        columns(
          ['KID', 'ALG', 'STATE', 'SIGNS SINCE', 'PUBLISHED UNTIL', 'KEPT IN'],
          answer.keys.map((key) => [key.kid, key.alg, key.state, time(key.activated_at), time(key.retire_at), key.kept_in]),
        ),
      )
    })
  rotateCommand(keys, context)
  examples(
    keys
      .command('retire <kid>')
      .description('Stop publishing a key at once: from now on every token that it signed is rejected.')
      .addOption(asJson())
      .action(async (kid: string, _options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send('POST', `/keys/${encodeURIComponent(kid)}/retire`)
        context.print(command, answer, () => `${kid} is retired; guards drop it at once.\n`)
      }),
    'cmb keys retire 5dZ0…',
  )
}

interface RotateOptions {
  activate?: boolean
  emergency?: boolean
  case?: string
  comment?: string
  yes?: boolean
}

/** Every token that the old keys signed is rejected at once, so it is asked about; where no user can answer, --yes has to be said. */
async function agree({ terminal }: Context, alg: string, yes: boolean): Promise<void> {
  if (yes) return
  const words = `every ${alg} key but the new one is retired at once: every token that they signed is rejected, at every client`
  if (terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `With --emergency ${words}. Add --yes to do it; nothing was done.`)
  if ((await terminal.ask(`${words[0]?.toUpperCase()}${words.slice(1)}. Type yes to do it: `)) !== 'yes')
    throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}

function rotateCommand(keys: Command, context: Context): void {
  examples(
    keys
      .command('rotate')
      .addArgument(new Argument('<alg>', 'which key').choices(['ES256', 'RS256']))
      .description('Publish the next key; the broker signs with it a day later. (The broker does this by itself every 90 days.)')
      .option('--activate', 'sign with it at once; the former key stays published until its tokens have expired')
      .option('--emergency', 'sign with it at once, and retire all other keys: every token that they signed is rejected')
      .addOption(caseOption())
      .addOption(commentOption())
      .option('--yes', 'do not ask (--emergency asks)')
      .addOption(asJson())
      .action(async (alg: string, options: RotateOptions, command: Command) => {
        if (options.activate === true && options.emergency === true) throw new CommandFailure(EXIT.usage, 'Use --activate or --emergency, not both.')
        const how = options.emergency === true ? 'emergency' : options.activate === true ? 'activate' : 'next'
        const broker = await context.broker(command)
        if (how === 'emergency') await agree(context, alg, options.yes === true)
        const said = saidOf(options)
        const answer = await broker.send<{ kid: string; state: string }>('POST', '/keys/rotate', { alg, how, ...said })
        context.print(command, answer, () => `${answer.kid} is ${answer.state}.\n`)
      }),
    'cmb keys rotate ES256',
    'cmb keys rotate RS256 --emergency --case INC-4711',
  )
}

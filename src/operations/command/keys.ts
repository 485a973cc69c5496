import { Argument, type Command } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import {
  type Called,
  agree,
  type CaseAndComment,
  caseAndComment,
  type Context,
  path,
  verb,
  withCaseAndComment,
} from './context.ts'
import { columns, time, type Cell } from './show.ts'

/** Defines `cmb keys`: list, rotate and retire signing keys. */
export function keyCommands(program: Command, context: Context): void {
  const keys = program.command('keys').description('List, rotate and retire signing keys.')
  verb(keys, context, {
    name: 'list',
    about:
      'List every key: next (published ahead), active (signs), retiring (still published), retired.',
    ask: (broker) => broker.get<{ keys: Record<string, Cell>[] }>('/keys'),
    words: (answer) =>
      columns(
        ['KID', 'ALG', 'STATE', 'SIGNS SINCE', 'PUBLISHED UNTIL', 'KEPT IN'],
        answer.keys.map((key) => [
          key.kid,
          key.alg,
          key.state,
          time(key.activated_at),
          time(key.retire_at),
          key.kept_in,
        ]),
      ),
  })
  rotateCommand(keys, context)
  verb(keys, context, {
    name: 'retire <kid>',
    about: 'Stop publishing a key at once: from now on every token that it signed is rejected.',
    ask: (broker, { id }) => broker.send('POST', path`/keys/${id}/retire`),
    words: (_, { id }) => `${id} is retired; guards drop it at once.\n`,
    examples: ['cmb keys retire 5dZ0…'],
  })
}

interface RotateOptions extends CaseAndComment {
  activate?: boolean
  emergency?: boolean
  yes?: boolean
}

/** Returns the kind of rotation. Asks before an emergency, which retires all other keys. */
async function howOf(
  context: Context,
  alg: string,
  { activate = false, emergency = false, yes }: RotateOptions,
) {
  if (activate && emergency)
    throw new CommandFailure(EXIT.usage, 'Use --activate or --emergency, not both.')
  if (!emergency) return activate ? 'activate' : 'next'
  const words = `every ${alg} key but the new one is retired at once: every token that they signed is rejected, at every client.`
  if (yes !== true) await agree(context, `With --emergency ${words}`, `E${words.slice(1)}`)
  return 'emergency'
}

function rotateCommand(keys: Command, context: Context): void {
  verb(keys, context, {
    name: 'rotate',
    about:
      'Publish the next key; the broker signs with it a day later. (The broker does this by itself every 90 days.)',
    options: (command) =>
      withCaseAndComment(
        command
          .addArgument(new Argument('<alg>', 'which key').choices(['ES256', 'RS256']))
          .option(
            '--activate',
            'sign with it at once; the former key stays published until its tokens have expired',
          )
          .option(
            '--emergency',
            'sign with it at once, and retire all other keys: every token that they signed is rejected',
          ),
      ).option('--yes', 'do not ask (--emergency asks)'),
    ask: async (broker, { id: alg, options }: Called<RotateOptions>) => {
      const how = await howOf(context, alg, options)
      return broker.send<{ kid: string; state: string }>('POST', '/keys/rotate', {
        alg,
        how,
        ...caseAndComment(options),
      })
    },
    words: ({ kid, state }) => `${kid} is ${state}.\n`,
    examples: ['cmb keys rotate ES256', 'cmb keys rotate RS256 --emergency --case INC-4711'],
  })
}

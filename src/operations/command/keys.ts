import { Argument } from 'commander'
import { CommandFailure, EXIT } from './broker.ts'
import { agree, CASE_AND_COMMENT, type Called, group, option, verb } from './context.ts'
import { table } from './show.ts'

interface Rotating {
  activate?: boolean
  emergency?: boolean
  yes?: boolean
}

/** Returns the kind of rotation. Asks before an emergency, which retires all other keys. */
async function howOf({
  context,
  id: alg,
  options: { activate = false, emergency = false, yes },
}: Called<Rotating>) {
  if (activate && emergency)
    throw new CommandFailure(EXIT.usage, 'Use --activate or --emergency, not both.')
  if (!emergency) return { how: activate ? 'activate' : 'next' }
  const words = `every ${alg} key but the new one is retired at once: every token that they signed is rejected, at every client.`
  if (yes !== true) await agree(context, `With --emergency ${words}`, `E${words.slice(1)}`)
  return { how: 'emergency' }
}

/** The commands `cmb keys`: list, rotate and retire signing keys. */
export const keyCommands = group(
  'keys',
  'List, rotate and retire signing keys.',
  verb({
    name: 'list',
    at: 'GET /keys',
    about:
      'List every key: next (published ahead), active (signs), retiring (still published), retired.',
    words: ({ keys }) =>
      table(keys, {
        KID: 'kid',
        ALG: 'alg',
        STATE: 'state',
        'SIGNS SINCE': 'activated_at',
        'PUBLISHED UNTIL': 'retire_at',
        'KEPT IN': 'kept_in',
      }),
  }),
  verb({
    name: 'rotate',
    at: 'POST /keys/rotate',
    about:
      'Publish the next key; the broker signs with it a day later. (The broker does this by itself every 90 days.)',
    argument: new Argument('<alg>', 'which key').choices(['ES256', 'RS256']),
    takes: CASE_AND_COMMENT,
    flags: [
      option(
        '--activate',
        'sign with it at once; the former key stays published until its tokens have expired',
      ),
      option(
        '--emergency',
        'sign with it at once, and retire all other keys: every token that they signed is rejected',
      ),
      option('--yes', 'do not ask (--emergency asks)'),
    ],
    members: howOf,
    words: ({ kid, state }) => `${kid} is ${state}.\n`,
    examples: ['cmb keys rotate ES256', 'cmb keys rotate RS256 --emergency --case INC-4711'],
  }),
  verb({
    name: 'retire <kid>',
    at: 'POST /keys/:kid/retire',
    about: 'Stop publishing a key at once: from now on every token that it signed is rejected.',
    words: ({ kid }) => `${kid} is retired; guards drop it at once.\n`,
    examples: ['cmb keys retire 5dZ0…'],
  }),
)

import { Argument } from 'commander'
import { misused } from './broker.ts'
import { agree, CASE_AND_COMMENT, type Called, group, option, verb } from './context.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

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
  if (activate && emergency) throw misused('Use --activate or --emergency, not both.')
  if (!emergency) return { how: activate ? 'activate' : 'next' }
  if (yes !== true) await agree(context, SAYS.emergency(alg))
  return { how: 'emergency' }
}

/** The commands `cmb keys`: list, rotate and retire signing keys. */
export const keyCommands = group(
  'keys',
  verb({
    name: 'list',
    at: 'GET /keys',
    columns: { keys: ['kid', 'alg', 'state', 'activated_at', 'retire_at', 'kept_in'] },
  }),
  verb({
    name: 'rotate',
    at: 'POST /keys/rotate',
    argument: new Argument('<alg>', 'which key').choices(['ES256', 'RS256']),
    takes: CASE_AND_COMMENT,
    flags: [
      option('--activate', OPTION.activate),
      option('--emergency', OPTION.emergency),
      option('--yes', 'do not ask (--emergency asks)'),
    ],
    members: howOf,
  }),
  verb({
    name: 'retire <kid>',
    at: 'POST /keys/:kid/retire',
    takes: CASE_AND_COMMENT,
  }),
)

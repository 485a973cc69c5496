import { fullPage, group, option, paged, verb } from './context.ts'
import { table } from './show.ts'

/** The command `cmb sessions`, which lists live sessions. */
export const sessionCommands = group(
  'sessions',
  'List users who are signed in.',
  verb({
    name: 'list',
    at: 'GET /sessions',
    about: 'List live sessions, newest first.',
    takes: {
      user: option('--user <text>', 'beginnings of words of a name or username, or a whole oid'),
      sub: option('--sub <sub>', 'one user, by the sub of their tokens'),
      client_id: option('--client <id>', 'only those in which this client took part'),
      tid: option('--tenant <tid>', 'only those of one Microsoft tenant'),
      ...paged('100'),
    },
    ask: fullPage('sessions'),
    words: ({ sessions, next }) =>
      table(
        sessions,
        {
          SESSION: 'sid',
          SUBJECT: 'sub',
          USER: ({ user }) => user.username ?? user.name,
          DEVICE: 'device',
          OPENED: 'opened_at',
          ACTIVE: 'last_active_at',
          CLIENTS: ({ clients }) => clients.map((client) => client.client_id).join(' '),
        },
        'No live session matches.',
        next,
      ),
    examples: ['cmb sessions list --user alice', 'cmb sessions list --client sydney --json'],
  }),
)

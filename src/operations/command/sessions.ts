import { FILTER, fullPage, group, option, paged, verb } from './context.ts'

/** The command `cmb sessions`, which lists live sessions. */
export const sessionCommands = group(
  'sessions',
  verb({
    name: 'list',
    at: 'GET /sessions',
    takes: {
      user: option('--user <text>', 'beginnings of words of a name or username, or a whole oid'),
      sub: FILTER.sub,
      client_id: FILTER.client_id,
      tid: FILTER.tid,
      ...paged('100'),
    },
    ask: fullPage('sessions'),
    columns: {
      sessions: ['sid', 'sub', 'user', 'device', 'opened_at', 'last_active_at', 'clients'],
    },
  }),
)

import { FILTER, fullPage, option, paged, period, verb } from './context.ts'
import { readPast } from './moment.ts'

const [since, until] = period(readPast)

/** The command `cmb sign-ins`: who could not sign in, what they read, and what to do. */
export const signInsCommand = verb({
  name: 'sign-ins [reference]',
  at: 'GET /sign-ins',
  takes: {
    user: option('--user <who>', 'only of this user: an id, a name, or a part of a username'),
    tid: FILTER.tid,
    client_id: FILTER.client_id,
    reason: option('--reason <reason>', 'only for this reason: mfa_not_proved, user_locked …'),
    since,
    until,
    ...paged('50'),
  },
  ask: fullPage('rejected'),
  columns: {
    rejected: ['at', 'reference', 'user', 'client_id', 'reason', 'user_read', 'fix'],
  },
})

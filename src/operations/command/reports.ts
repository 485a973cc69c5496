import { CASE_AND_COMMENT, FILTER, group, option, paged, verb } from './context.ts'
import { time, withName } from './show.ts'
import { SAYS } from './texts/answers.ts'

const { limit } = paged('50')

/** The commands `cmb reports`: what users reported, and that it was acted on. */
export const reportCommands = group(
  'reports',
  verb({
    name: 'list',
    at: 'GET /reports',
    takes: {
      tid: FILTER.tid,
      state: option('--state <state>', 'open or done').default('open'),
      limit,
    },
    columns: { reports: ['id', 'at', 'user', 'device', 'done'] },
  }),
  verb({
    name: 'done <report>',
    at: 'POST /reports/:id/done',
    takes: CASE_AND_COMMENT,
    words: ({ outcome, report: { sub, user, done } }) => {
      const name = withName(user?.name ?? undefined, user?.username ?? sub)
      return outcome === 'done'
        ? SAYS.report_done(name)
        : SAYS.report_done_before(name, done?.actor.id, time(done?.at))
    },
  }),
)

import { option, FILTER, fullPage, paged, period, verb } from './context.ts'
import { readPast } from './moment.ts'
import { inWords } from './show.ts'
import { ended } from './texts/answers.ts'
import { OPTION } from './texts/options.ts'

const [since, until] = period((text) => readPast(text) * 1000)

/** The command `cmb audit`, which shows the audit log. */
export const auditCommand = verb({
  name: 'audit',
  at: 'GET /audit',
  takes: {
    actor: FILTER.actor,
    act: option('--act <act>', 'only this: revoke, redrive, client.add, key.rotate …'),
    target: option('--target <target>', OPTION.target),
    case_reference: FILTER.case_reference,
    since_ms: since,
    until_ms: until,
    ...paged('100'),
  },
  ask: fullPage('entries'),
  words: (answer) =>
    inWords(
      {
        ...answer,
        entries: answer.entries.map((entry) => ({ ...entry, ended: ended(entry.ended) })),
      },
      {
        // The comment is last: it may be long, and each column is as wide as its longest cell.
        entries: [
          'id',
          'at_ms',
          'actor',
          'via',
          'act',
          'target',
          'ended',
          'case_reference',
          'comment',
        ],
      },
    ),
})

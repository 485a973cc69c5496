import { Option } from 'commander'
import type { AnswerTo } from './broker.ts'
import { type Called, fullPage, option, paged, period, verb } from './context.ts'
import { readPast } from './moment.ts'
import { jsonLine, table, withName } from './show.ts'

const PAGE = 500
const [since, until] = period((text) => readPast(text) * 1000)

/** The command `cmb audit`, which shows the audit log. */
export const auditCommand = verb({
  name: 'audit',
  at: 'GET /audit',
  about: 'Show what operators did, newest first: who, by which interface, what, and the outcome.',
  takes: {
    actor: option('--actor <who>', 'only acts of this actor: an id, or words of a name'),
    act: option('--act <act>', 'only this: revoke, redrive, client.add, key.rotate …'),
    target: option('--target <target>', 'only acts on this target: "session s_…", "client sydney"'),
    case_reference: option('--case <reference>', 'only with this case reference'),
    since_ms: since,
    until_ms: until,
    ...paged('100'),
  },
  flags: [
    new Option('--export', 'the whole log, oldest first, as JSON lines').conflicts([
      'limit',
      'before',
    ]),
  ],
  ask: async (send, called: Called<{ export?: true; limit?: string }>) => {
    if (called.options.export !== true) return fullPage('entries')(send, called)
    // Page by page, so that the size of the log does not matter.
    for (let after: number | null = 0; after !== null;) {
      const { entries, next }: AnswerTo<'GET /audit'> = await send({ after, limit: PAGE })
      for (const entry of entries) called.context.terminal.out(jsonLine(entry))
      after = next
    }
    return undefined
  },
  words: ({ entries, next }) =>
    table(
      entries,
      {
        ID: 'id',
        AT: 'at_ms',
        WHO: ({ actor, actor_name: name }) => `${actor.kind} ${withName(name, actor.id)}`,
        VIA: 'via',
        ACT: 'act',
        TARGET: ({ target = '', target_name: name }) => withName(name, target),
        OUTCOME: ({ ended }) => ended?.outcome ?? 'unfinished',
        CASE: 'case_reference',
      },
      'No entry matches.',
      next,
    ),
  examples: [
    'cmb audit --actor "adam archer"',
    'cmb audit --actor "cmb@olga (unverified)"',
    'cmb audit --from 2026-10-01 --to 2026-11-01 --export > audit.jsonl',
  ],
})

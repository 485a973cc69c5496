import { Option, type Command } from 'commander'
import type { z } from 'zod'
import type { auditEntry } from '../contract/shapes.ts'
import {
  type Called,
  type Context,
  fullPage,
  nextPage,
  paged,
  queryOf,
  verb,
  withPeriod,
} from './context.ts'
import { columns, jsonLine, timeMs } from './show.ts'

interface Page {
  entries: z.output<typeof auditEntry>[]
  next: number | null
}

type Options = Partial<Record<'actor' | 'act' | 'target' | 'case' | 'before', string>> & {
  from?: number
  to?: number
  limit: string
  export?: boolean
}

const PAGE = 500

/** Defines `cmb audit`, which shows the audit log. */
export function auditCommand(program: Command, context: Context): void {
  verb(program, context, {
    name: 'audit',
    about: 'Show what operators did, newest first: who, by which interface, what, and the outcome.',
    options: (command) =>
      paged('100')(
        withPeriod(
          command
            .option('--actor <id>', 'only acts of this actor')
            .option('--act <act>', 'only this: revoke, redrive, client.add, key.rotate …')
            .option('--target <target>', 'only acts on this target: "session s_…", "client sydney"')
            .option('--case <reference>', 'only with this case reference'),
        ),
      ).addOption(
        new Option('--export', 'the whole log, oldest first, as JSON lines').conflicts([
          'limit',
          'before',
        ]),
      ),
    ask: (broker, { options }: Called<Options>) => {
      const { actor, act, target, from, to } = options
      const filter = {
        actor,
        act,
        target,
        case_reference: options.case,
        since_ms: inMs(from),
        until_ms: inMs(to),
      }
      const page = (more: Record<string, string | undefined>) =>
        broker.get<Page>(`/audit${queryOf({ ...filter, ...more })}`)
      return options.export === true
        ? exportAll(context, page)
        : fullPage(context.terminal, 'entries', options, page)
    },
    words: ({ entries, next }) =>
      columns(
        ['ID', 'AT', 'WHO', 'VIA', 'ACT', 'TARGET', 'OUTCOME', 'CASE'],
        entries.map((one) => [
          one.id,
          timeMs(one.at_ms),
          `${one.actor.kind} ${one.actor.id}`,
          one.via,
          one.act,
          one.target,
          one.ended?.outcome ?? 'unfinished',
          one.case_reference,
        ]),
        'No entry matches.',
      ) + nextPage(next),
    examples: [
      'cmb audit --actor "cmb@olga (unverified)"',
      'cmb audit --from 2026-10-01 --to 2026-11-01 --export > audit.jsonl',
    ],
  })
}

const inMs = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : String(seconds * 1000)

/** Exports the log page by page, so that its size does not matter. */
async function exportAll(
  context: Context,
  page: (more: Record<string, string | undefined>) => Promise<Page>,
): Promise<undefined> {
  for (let after: number | null = 0; after !== null;) {
    const { entries, next }: Page = await page({ after: String(after), limit: String(PAGE) })
    for (const entry of entries) context.terminal.out(jsonLine(entry))
    after = next
  }
}

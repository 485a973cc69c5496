import { Option, type Command } from 'commander'
import { asJson, before, examples, nextPage, queryOf, type Context } from './context.ts'
import { columns, jsonLine, timeMs } from './show.ts'

interface EntryShown {
  id: number
  at_ms: number
  actor: { kind: string; id: string }
  via: string
  act: string
  target?: string
  case_reference: string | null
  ended: { outcome: string } | null
}

interface Page {
  entries: EntryShown[]
  next: number | null
}

const PAGE = 500

/** What operators did. */
export function auditCommand(program: Command, context: Context): void {
  examples(
    program
      .command('audit')
      .description('What operators did, newest first: who, by which way, what, and how it ended.')
      .option('--actor <id>', 'only what this one did')
      .option('--act <act>', 'only this: revoke, redrive, client.add, key.rotate …')
      .option('--target <target>', 'only what was done to this: "session s_…", "client sydney"')
      .option('--case <reference>', 'only with this case reference')
      .option('--limit <n>', 'how many at most', '100')
      .addOption(before())
      .addOption(new Option('--export', 'all of it, oldest first, as JSON lines').conflicts(['limit', 'before']))
      .addOption(asJson())
      .action(
        async (
          options: { actor?: string; act?: string; target?: string; case?: string; limit: string; before?: string; export?: boolean },
          command: Command,
        ) => {
          const broker = await context.broker(command)
          const filter = { actor: options.actor, act: options.act, target: options.target, case_reference: options.case }
          const page = (more: Record<string, string | undefined>) => broker.get<Page>(`/audit${queryOf({ ...filter, ...more })}`)
          if (options.export === true) return exportAll(context, page)
          const answer = await page({ limit: options.limit, before: options.before })
          context.print(command, answer, () => entriesShown(answer))
        },
      ),
    'cmb audit --actor "cmb@olga (unverified)"',
    'cmb audit --export > audit.jsonl',
  )
}

const entriesShown = ({ entries, next }: Page): string =>
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
  ) + nextPage(next)

/** Page by page, so that its size does not matter. */
async function exportAll(context: Context, page: (more: Record<string, string | undefined>) => Promise<Page>): Promise<void> {
  for (let after = 0; ;) {
    const { entries } = await page({ after: String(after), limit: String(PAGE) })
    for (const entry of entries) context.terminal.out(jsonLine(entry))
    const last = entries.at(-1)
    if (last === undefined || entries.length < PAGE) return
    after = last.id
  }
}

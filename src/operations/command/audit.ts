import { Option, type Command } from 'commander'
import { asJson, before, type Context, examples, fromOption, fullPage, nextPage, queryOf, toOption } from './context.ts'
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

type Options = Partial<Record<'actor' | 'act' | 'target' | 'case' | 'before', string>> & {
  from?: number
  to?: number
  limit: string
  export?: boolean
}

const PAGE = 500

/** What operators did. */
export function auditCommand(program: Command, context: Context): void {
  examples(
    program
      .command('audit')
      .description('Show what operators did, newest first: who, by which interface, what, and the outcome.')
      .option('--actor <id>', 'only acts of this actor')
      .option('--act <act>', 'only this: revoke, redrive, client.add, key.rotate …')
      .option('--target <target>', 'only acts on this target: "session s_…", "client sydney"')
      .option('--case <reference>', 'only with this case reference')
      .addOption(fromOption())
      .addOption(toOption())
      .option('--limit <n>', 'how many at most', '100')
      .addOption(before())
      .addOption(new Option('--export', 'the whole log, oldest first, as JSON lines').conflicts(['limit', 'before']))
      .addOption(asJson())
      .action((options: Options, command: Command) => list(context, options, command)),
    'cmb audit --actor "cmb@olga (unverified)"',
    'cmb audit --from 2026-10-01 --to 2026-11-01 --export > audit.jsonl',
  )
}

async function list(context: Context, options: Options, command: Command): Promise<void> {
  const broker = await context.broker(command)
  const { actor, act, target, limit, before: cursor } = options
  const filter = { actor, act, target, case_reference: options.case, since_ms: inMs(options.from), until_ms: inMs(options.to) }
  const page = (more: Record<string, string | undefined>) => broker.get<Page>(`/audit${queryOf({ ...filter, ...more })}`)
  if (options.export === true) return exportAll(context, page)
  const answer = await fullPage(context.terminal, 'entries', { limit, before: cursor }, page)
  context.print(command, answer, () => entriesShown(answer))
}

const inMs = (seconds: number | undefined): string | undefined => (seconds === undefined ? undefined : String(seconds * 1000))

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
    const { entries, next } = await page({ after: String(after), limit: String(PAGE) })
    for (const entry of entries) context.terminal.out(jsonLine(entry))
    if (next === null) return
    after = next
  }
}

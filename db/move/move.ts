import { TABLES, type MovedTable } from '../postgres/tables.ts'
import { StoreUnavailable } from '../types.ts'
import { openSource, type Position, type Source, type SourceRows } from './source.ts'
import { openTarget, type Target } from './target.ts'

/**
 * Moves a store from SQLite to Postgres: the same log, epoch, sessions, grants and keys, so that no
 * user is signed out. Everything is copied and verified in one transaction; the SQLite file is
 * disabled once that is committed. If the move is interrupted, at most one of the two can be served
 * from, and the command can be repeated.
 */

interface MoveInput {
  /** The SQLite file. No broker may run on it. */
  from: string
  /** `postgres://…` of a database that is migrated and empty. */
  to: string
  /** Reads and checks everything, and changes nothing. */
  check: boolean
  nowMs: () => number
  /** Reports progress, a line at a time. */
  report(line: string): void
}

interface Moved {
  to: string
  log: Position
  /** The number of rows in each table. */
  tables: Record<string, number>
  /** The new name of the SQLite file; undefined where nothing was moved. */
  keptAs: string | undefined
}

/** The number of rows between two progress reports within a table. */
const REPORT_ROWS = 100_000

/**
 * Moves the store, or only checks that it can be moved.
 * @throws StoreUnavailable with what is wrong, where nothing was moved or the command has to be
 * repeated
 */
export async function moveStore(input: MoveInput): Promise<Moved> {
  const source = openSource(input.from)
  try {
    const target = await openTarget(input.to)
    try {
      return input.check ? await check(source, target, input) : await move(source, target, input)
    } catch (error) {
      throw asUnavailable(error)
    } finally {
      await target.close()
    }
  } finally {
    source.close()
  }
}

const asUnavailable = (error: unknown): StoreUnavailable =>
  error instanceof StoreUnavailable
    ? error
    : new StoreUnavailable(
        `The move failed: ${error instanceof Error ? error.message : String(error)}. Nothing was moved.`,
        { cause: error },
      )

async function check(source: Source, target: Target, { report }: MoveInput): Promise<Moved> {
  mustBeTheSameTarget(source, target)
  await target.begin(false)
  await target.mustBeEmpty()
  return {
    to: target.name,
    log: source.head,
    tables: await copy(source, async () => undefined, report),
    keptAs: undefined,
  }
}

async function move(source: Source, target: Target, { nowMs, report }: MoveInput): Promise<Moved> {
  mustBeTheSameTarget(source, target)
  await target.begin(true)
  // The mark means that an earlier run asked Postgres to commit, after which no broker could start
  // on the file. If Postgres has this log, that commit succeeded.
  const done = source.mark !== undefined && (await target.head())?.epoch === source.head.epoch
  const tables = done ? counted(source) : await copyAll(source, target, report)
  if (!done) {
    const atMs = nowMs()
    source.committing(target.name, atMs)
    await target.addLineage(atMs)
    await target.commit(
      'Repeat the same command: it finds out what became of it, and finishes. Until then no broker starts on the SQLite file.',
    )
  }
  return { to: target.name, log: source.head, tables, keptAs: source.disable(target.name, nowMs()) }
}

function mustBeTheSameTarget({ mark }: Source, { name }: Target): void {
  if (mark === undefined || mark.to === name) return
  throw new StoreUnavailable(
    `An earlier move of this file, to ${mark.to}, was interrupted at its end and may have been committed there. Repeat it with that database.`,
  )
}

/**
 * Copies every row into an empty database, and verifies it.
 * @returns how many rows each table has
 */
export async function copyAll(
  source: SourceRows & { head: Position },
  target: Target,
  report: (line: string) => void,
): Promise<Record<string, number>> {
  await target.mustBeEmpty()
  await target.clear()
  const tables = await copy(source, (table, rows) => target.insert(table, rows), report)
  await target.setSequences()
  report('Verifying.')
  await verify(source, target, tables)
  await target.analyze()
  return tables
}

type Insert = (table: MovedTable, rows: Parameters<Target['insert']>[1]) => Promise<void>

/**
 * Copies every table page by page.
 * @returns how many rows each table has
 */
async function copy(
  source: SourceRows,
  insert: Insert,
  report: (line: string) => void,
): Promise<Record<string, number>> {
  const copied: Record<string, number> = {}
  for (const table of TABLES) {
    const all = source.count(table)
    let rows = 0
    for (const page of source.pages(table)) {
      await insert(table, page)
      if (Math.floor((rows + page.length) / REPORT_ROWS) > Math.floor(rows / REPORT_ROWS))
        report(`${table.name}: ${rows + page.length} of ${all}`)
      rows += page.length
    }
    if (rows > 0) report(`${table.name}: ${rows}`)
    copied[table.name] = rows
  }
  return copied
}

const counted = (source: Source): Record<string, number> =>
  Object.fromEntries(TABLES.map((table) => [table.name, source.count(table)]))

/**
 * Reads back from Postgres the number of rows of each table, and the heads of the log and its
 * chains. Throws where any of them differs.
 */
async function verify(
  source: SourceRows & { head: Position },
  target: Target,
  copied: Record<string, number>,
): Promise<void> {
  const wrong: string[] = []
  for (const table of TABLES) {
    const [here, there] = [source.count(table), await target.count(table)]
    if (here !== there || here !== copied[table.name])
      wrong.push(`${table.name} has ${there} rows instead of ${here}`)
  }
  const head = await target.head()
  if (head?.epoch !== source.head.epoch || head.seq !== source.head.seq)
    wrong.push('the log has another head')
  if (JSON.stringify(await target.chains()) !== JSON.stringify(source.chains))
    wrong.push('the chains have other heads')
  if (wrong.length > 0)
    throw new StoreUnavailable(`The copy is not the same: ${wrong.join('; ')}. Nothing was moved.`)
}

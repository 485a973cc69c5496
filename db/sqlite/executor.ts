import { setImmediate } from 'node:timers/promises'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import type Database from 'better-sqlite3'
import type { Act, AnyStatement, Call, Engine, Params, Sources } from '../engine/act.ts'
import { allStatements, valuesOf } from '../engine/statement.ts'
import type { Committed } from '../types.ts'
import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'
import { rejection, storeClosed, type Writer } from './writer.ts'

/**
 * Runs acts on one SQLite connection. Each statement is rendered and prepared once, at its first
 * use. Acts run synchronously and cannot wait for anything.
 */

interface Prepared {
  statement: Database.Statement<unknown[], unknown>
  /** Returns the values in the order of the SQL's parameters. */
  values(params: Params): unknown[]
}

interface Executor {
  /** Runs an act to its end, inside the open transaction. */
  run<T>(act: Act<T>): T
  /** Prepares the statements that no act has used yet, one in each turn of the event loop. */
  prepareAll(): Promise<void>
}

/**
 * Creates the executor of a connection.
 * @param revoked takes what an act revokes, for announcement after its commit
 */
export function createExecutor(
  db: Sqlite,
  sources: Sources,
  revoked: (committed: Committed) => void,
): Executor {
  const dialect = new SQLiteSyncDialect()
  const prepared = new Map<AnyStatement, Prepared>()

  const prepare = (statement: AnyStatement): Prepared => {
    const query = statement.render('sqlite', dialect)
    const compiled = {
      statement: db.prepare<unknown[], unknown>(query.sql),
      values: valuesOf(query.params),
    }
    prepared.set(statement, compiled)
    return compiled
  }
  const carryOut = ({ statement, params, wants }: Call): unknown => {
    if (statement.onlyLocks) return undefined
    const compiled = prepared.get(statement) ?? prepare(statement)
    const values = compiled.values(params)
    if (wants === 'get') return compiled.statement.get(...values)
    return wants === 'all'
      ? compiled.statement.all(...values)
      : compiled.statement.run(...values).changes
  }

  return {
    run(act) {
      let step = act.next()
      while (step.done !== true) {
        if (typeof step.value === 'string') step = act.next(sources[step.value]())
        else if ('revoked' in step.value) {
          revoked(step.value.revoked)
          step = act.next()
        } else step = act.next(carryOut(step.value))
      }
      return step.value
    },
    async prepareAll() {
      for (const statement of allStatements())
        if (db.open && !prepared.has(statement)) {
          prepare(statement)
          await setImmediate()
        }
    },
  }
}

/**
 * Runs reads between two commits, so that they see only what is on disk. A closed store or a
 * damaged file is not read.
 */
type Read = <T>(act: () => T) => Promise<T>

export const reading =
  (db: Sqlite, file: Pick<DataFile, 'mustBeUndamaged' | 'damaged'>): Read =>
  async (act) => {
    if (!db.open) throw storeClosed()
    file.mustBeUndamaged()
    try {
      return act()
    } catch (error) {
      throw rejection(error, file)
    }
  }

/**
 * The engine of the embedded store: the acts of one batch share a commit, and reads run between two
 * commits.
 */
export const sqliteEngine = (
  writer: Pick<Writer, 'write' | 'writePage'>,
  read: Read,
  { run }: Executor,
): Engine => ({
  write: (act) => writer.write(() => run(act())),
  writePage: (act) => writer.writePage(() => run(act())),
  read: (act) => read(() => run(act())),
})

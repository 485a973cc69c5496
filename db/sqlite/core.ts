import type { Act } from '../engine/act.ts'
import type { Writer } from './writer.ts'
import { refusal } from './writer.ts'
import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'

/** What every act is built from: the connection, the writer, the clock in milliseconds and ids for rows of the store's own. */
export interface Core {
  db: Sqlite
  write: Writer['write']
  /** Between two commits, so that it sees only what is on disk. */
  read<T>(act: () => T): Promise<T>
  nowMs(): number
  newId(): string
  /** Runs an act of the new shape inside an act of this one. */
  run<T>(act: Act<T>): T
}

export const reading =
  (db: Sqlite, file: Pick<DataFile, 'mustBeUndamaged' | 'damaged'>, closedError: () => Error) =>
  async <T>(act: () => T): Promise<T> => {
    if (!db.open) throw closedError()
    file.mustBeUndamaged()
    try {
      return act()
    } catch (error) {
      throw refusal(error, file)
    }
  }

export { newRowId, optional, parseList } from '../engine/values.ts'

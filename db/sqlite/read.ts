import type { DataFile } from './data-file.ts'
import type { Sqlite } from './open.ts'
import { refusal, storeClosed } from './writer.ts'

/** Reads between two commits, so that they see only what is on disk. It refuses to read a store that is closed, or whose file is damaged. */
export type Read = <T>(act: () => T) => Promise<T>

export const reading =
  (db: Sqlite, file: Pick<DataFile, 'mustBeUndamaged' | 'damaged'>): Read =>
  async (act) => {
    if (!db.open) throw storeClosed()
    file.mustBeUndamaged()
    try {
      return act()
    } catch (error) {
      throw refusal(error, file)
    }
  }

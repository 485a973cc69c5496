import { beginChains } from '../revocation/chain.ts'
import type { Ambient } from '../engine/act.ts'
import type { Executor } from './executor.ts'
import type { Sqlite } from './open.ts'

/** The chains of a file that has none. The id of an audit entry that retention has deleted is known to SQLite alone. */
export function beginChainsOf(db: Sqlite, { run }: Executor, ambient: Pick<Ambient, 'nowMs'>): void {
  const lastId = db.prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").pluck()
  db.transaction(() => run(beginChains(ambient, lastId.get())))()
}

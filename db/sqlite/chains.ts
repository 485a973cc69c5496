import type { LogName } from '../../src/protocol/evidence-chain.ts'
import { linkHash, NOTHING_BEFORE, personalHash } from '../../src/protocol/evidence-chain.ts'
import type { Core } from './core.ts'

/** The heads of the chains, advanced in the transaction that appends to a log. It refuses to append where a log has no chain. */

type Fields = Record<string, string | number | null>

export interface Linked {
  hash: string
  personalHash: string
}

export function chains({ db }: Pick<Core, 'db'>) {
  const head = db.prepare<[LogName], { number: number; hash: string }>('SELECT number, hash FROM chain_heads WHERE log = ?')
  const advance = db.prepare<[number, string, LogName]>('UPDATE chain_heads SET number = ?, hash = ? WHERE log = ?')
  const setHead = db.prepare<[LogName, number, string]>(
    'INSERT INTO chain_heads (log, number, hash) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = excluded.number, hash = excluded.hash',
  )
  const addBegin = db.prepare<[LogName, number, string, string]>('INSERT INTO chain_begins (log, number, hash, fields) VALUES (?, ?, ?, ?)')
  const headOf = (log: LogName) => {
    const found = head.get(log)
    if (found === undefined) throw new Error(`The ${log} log has no chain: the data file is damaged. Restore a backup.`)
    return found
  }

  return {
    headOf,
    /** Inside the transaction that appends the row. @param salt is kept beside the row until its user is erased */
    link(log: LogName, number: number, fields: Fields, salt: string, personal: Record<string, string | null>): Linked {
      const linked = personalHash(salt, personal)
      const hash = linkHash(log, headOf(log).hash, { number, kind: 'row', fields, personal: linked })
      advance.run(number, hash, log)
      return { hash, personalHash: linked }
    },
    /** A new segment, whose rows follow `after`. It names the head before it, where there is one. */
    begin(log: LogName, { after, at, why, epoch }: { after: number; at: number; why: 'new' | 'upgraded' | 'restored'; epoch: string }): void {
      const former = head.get(log)
      const fields = { why, epoch, at, former_number: former?.number ?? null, former_hash: former?.hash ?? null }
      const hash = linkHash(log, former?.hash ?? NOTHING_BEFORE, { number: after, kind: 'begin', fields })
      setHead.run(log, after, hash)
      addBegin.run(log, after, hash, JSON.stringify(fields))
    },
  }
}

/** The chain of a store that has none: it is new, or a version wrote it that kept none. What is there already is before the chain, which says so. */
export function beginChains({ db, nowMs }: Pick<Core, 'db' | 'nowMs'>): void {
  const { begin } = chains({ db })
  const known = db.prepare<[LogName]>('SELECT 1 FROM chain_heads WHERE log = ?')
  const epoch = db.prepare<[], string>('SELECT epoch FROM log_head WHERE id = 1').pluck().get() ?? ''
  const last = {
    revocations: 'SELECT seq FROM log_head WHERE id = 1',
    audit: "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audit'), 0)",
  }
  db.transaction(() => {
    for (const log of ['revocations', 'audit'] as const) {
      if (known.get(log) !== undefined) continue
      const after = db.prepare<[], number>(last[log]).pluck().get() ?? 0
      begin(log, { after, at: Math.floor(nowMs() / 1000), why: after === 0 ? 'new' : 'upgraded', epoch })
    }
  })()
}

import { setImmediate as turn } from 'node:timers/promises'
import type { MicrosoftActs } from '../store.ts'
import type { MicrosoftWork, QueuedMicrosoftWork } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'

/** What is to be asked of Microsoft Graph: rows that stay until it is done. It refuses to take something asked for again as done. */

interface Row {
  kind: MicrosoftWork['kind']
  tid: string
  oid: string
  generation: number
  attempts: number
  asked_at_ms: number
  next_at_ms: number
  last_error: string | null
}

type WorkActs = Pick<
  MicrosoftActs,
  | 'askMicrosoft'
  | 'hasPendingMicrosoftWork'
  | 'askAboutEverybody'
  | 'dueMicrosoftWork'
  | 'settleMicrosoftWork'
  | 'postponeMicrosoftWork'
  | 'failedMicrosoftWork'
  | 'redriveMicrosoftWork'
>

const workOf = (row: Row): QueuedMicrosoftWork => ({
  kind: row.kind,
  tid: row.tid,
  oid: row.oid,
  generation: row.generation,
  attempts: row.attempts,
  askedAtMs: row.asked_at_ms,
  nextAtMs: row.next_at_ms,
  lastError: optional(row.last_error),
})

/** Users asked about in one transaction. */
const USERS = 200

const AGAIN = `ON CONFLICT DO UPDATE SET generation = generation + 1, attempts = 0, state = 'pending', asked_at_ms = excluded.asked_at_ms,
  next_at_ms = excluded.next_at_ms`

/** For acts that owe it in a transaction of their own. */
export function microsoftWorkWriter({ db }: Pick<Core, 'db'>): (work: MicrosoftWork, nowMs: number) => void {
  const ask = db.prepare(`INSERT INTO microsoft_work (kind, tid, oid, generation, attempts, state, asked_at_ms, next_at_ms)
    VALUES (@kind, @tid, @oid, 1, 0, 'pending', @nowMs, @nowMs) ${AGAIN}`)
  return ({ kind, tid, oid }, nowMs) => void ask.run({ kind, tid, oid, nowMs })
}

export function microsoftWorkActs(core: Core): WorkActs {
  const { db, write, read } = core
  const ask = microsoftWorkWriter(core)
  const usersEnd = db
    .prepare<[string, string], string>(`SELECT oid FROM subjects WHERE tid = ? AND oid > ? ORDER BY oid LIMIT 1 OFFSET ${USERS - 1}`)
    .pluck()
  const askUsers = db.prepare(`INSERT INTO microsoft_work (kind, tid, oid, generation, attempts, state, asked_at_ms, next_at_ms)
    SELECT 'check_user', u.tid, u.oid, 1, 0, 'pending', @nowMs, @nowMs FROM subjects u WHERE u.tid = @tid AND u.oid > @after AND u.oid <= @to
      AND EXISTS (SELECT 1 FROM sessions s INDEXED BY sessions_open_by_sub WHERE s.sub = u.sub AND s.ended_seq IS NULL AND s.deadline_at > @now) ${AGAIN}`)
  /** Page by page: a tenant may have a hundred thousand users. Asked again after a fault, each is asked once more. */
  const askAboutEverybody: WorkActs['askAboutEverybody'] = async (input) => {
    let asked = 0
    for (let after: string | undefined = ''; after !== undefined; await turn()) {
      const from: string = after
      after = await write(() => {
        const end = usersEnd.get(input.tid, from)
        asked += askUsers.run({ ...input, after: from, to: end ?? '\u{10FFFF}' }).changes
        return end
      })
    }
    return asked
  }
  const due = db.prepare<[string, number, number], Row>(
    "SELECT * FROM microsoft_work WHERE state = 'pending' AND tid = ? AND next_at_ms <= ? ORDER BY next_at_ms LIMIT ?",
  )
  const failed = db.prepare<[number], Row>("SELECT * FROM microsoft_work WHERE state = 'failed' ORDER BY asked_at_ms DESC LIMIT ?")
  const redrive =
    db.prepare(`UPDATE microsoft_work SET generation = generation + 1, attempts = 0, state = 'pending', asked_at_ms = @nowMs, next_at_ms = @nowMs
    WHERE state = 'failed' AND (@tid IS NULL OR tid = @tid)`)
  const hasPending = db.prepare<[object]>("SELECT 1 FROM microsoft_work WHERE kind = @kind AND tid = @tid AND oid = @oid AND state = 'pending'")
  const settle = db.prepare('DELETE FROM microsoft_work WHERE kind = @kind AND tid = @tid AND oid = @oid AND generation = @generation')
  const postpone = db.prepare(`UPDATE microsoft_work SET attempts = attempts + 1, state = @state, next_at_ms = @nextAtMs, last_error = @error
    WHERE kind = @kind AND tid = @tid AND oid = @oid AND generation = @generation`)
  const key = ({ kind, tid, oid, generation }: QueuedMicrosoftWork) => ({ kind, tid, oid, generation })

  return {
    askMicrosoft: (work, nowMs) =>
      write(() => {
        for (const one of work) ask(one, nowMs)
      }),
    hasPendingMicrosoftWork: ({ kind, tid, oid }) => read(() => hasPending.get({ kind, tid, oid }) !== undefined),
    askAboutEverybody,
    dueMicrosoftWork: ({ tid, nowMs, limit }) => read(() => due.all(tid, nowMs, limit).map(workOf)),
    settleMicrosoftWork: (work) => write(() => void settle.run(key(work))),
    postponeMicrosoftWork: (work, { nextAtMs, error }) =>
      write(
        () => void postpone.run({ ...key(work), nextAtMs: nextAtMs ?? work.nextAtMs, state: nextAtMs === undefined ? 'failed' : 'pending', error }),
      ),
    failedMicrosoftWork: (limit) => read(() => failed.all(limit).map(workOf)),
    redriveMicrosoftWork: ({ tid = null, nowMs }) => write(() => redrive.run({ tid, nowMs }).changes),
  }
}

import type { Store } from '../../db/store.ts'
import type { AuditOutcome, NewAuditEntry } from '../../db/types.ts'
import type { Log } from '../runtime/log.ts'
import { by, type Caller } from './caller.ts'
import { Problem } from './problem.ts'

/** The only way into the audit log, besides the store's own acts. */

interface Deps {
  store: Pick<Store, 'appendAudit' | 'concludeAudit'>
  log: Log
}
type Actor = Pick<Caller, 'actor' | 'via'>
type Entry = Omit<NewAuditEntry, 'actor' | 'via'>

/**
 * Carries out an act with an entry in the audit log, and a log line if it is done. The entry is
 * written before the act, because an act that cannot be recorded must not run, and the outcome is
 * written after it. A rejection is recorded as the caller gets it.
 * @param result returns the part of the answer to record; never a secret
 */
export async function record<T>(
  deps: Deps,
  caller: Actor,
  entry: Entry,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
): Promise<T> {
  const id = await begin(deps, caller, entry)
  try {
    const answer = await act()
    await conclude(deps, id, { outcome: 'done', result: result?.(answer) })
    deps.log.info('act_done', { act: entry.act, target: entry.target, ...by(caller) })
    return answer
  } catch (error) {
    await conclude(
      deps,
      id,
      error instanceof Problem
        ? { outcome: 'rejected', result: { title: error.title, detail: error.message } }
        : { outcome: 'failed' },
    )
    throw error
  }
}

/** Records that an actor was rejected before an act began. @param result says why */
export async function recordRejected(
  deps: Deps,
  caller: Actor,
  entry: Entry,
  result: Record<string, unknown>,
): Promise<void> {
  await conclude(deps, await begin(deps, caller, entry), { outcome: 'rejected', result })
}

const begin = ({ store }: Deps, { actor, via }: Actor, { details, ...entry }: Entry) => {
  const { tid } = actor
  return store.appendAudit({
    ...entry,
    actor,
    via,
    details: tid === undefined ? details : { ...details, tid },
  })
}

/**
 * Writes the outcome. The act is done by then, so a failure here is ignored: an entry without an
 * outcome still shows who began the act.
 */
const conclude = ({ store }: Deps, id: number, outcome: AuditOutcome): Promise<void> =>
  store.concludeAudit({ id, ...outcome }).catch(() => undefined)

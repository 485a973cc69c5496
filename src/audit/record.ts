import type { AuditOutcome, NewAuditEntry } from '../../db/types.ts'
import type { Store } from '../../db/store.ts'
import type { Log } from '../runtime/log.ts'
import { acting, by, type Caller } from './caller.ts'
import { Problem } from './problem.ts'

type AuditStore = Pick<Store, 'appendAudit' | 'concludeAudit'>
interface Deps {
  store: AuditStore
  log: Log
}

/**
 * Runs an act with an entry in the audit log. The entry is written before the act, because an act
 * that cannot be recorded must not run, and the outcome is written after it. The outcome of an act
 * that throws is `rejected` if `rejection` returns the reason that the caller gets, otherwise
 * `failed`.
 * @param result returns the part of the answer to record; never a secret
 */
export async function withAuditEntry<T>(
  store: AuditStore,
  entry: NewAuditEntry,
  act: () => Promise<T>,
  {
    result,
    rejection,
  }: {
    result?: (answer: T) => Record<string, unknown>
    rejection?: (error: unknown) => Record<string, unknown> | undefined
  } = {},
): Promise<T> {
  const id = await store.appendAudit(entry)
  const conclude = (outcome: AuditOutcome): Promise<void> =>
    // The act is done, so a failure here is ignored. An entry without an outcome still shows who
    // began the act.
    store.concludeAudit({ id, ...outcome }).catch(() => undefined)
  try {
    const answer = await act()
    await conclude({ outcome: 'done', result: result?.(answer) })
    return answer
  } catch (error) {
    const words = rejection?.(error)
    await conclude(
      words === undefined ? { outcome: 'failed' } : { outcome: 'rejected', result: words },
    )
    throw error
  }
}

/** The case and comment of an operator, for the audit log. */
export interface CaseAndComment {
  caseReference?: string | undefined
  comment?: string | undefined
}

/**
 * Runs an operator's act with an entry in the audit log, and a log line if it is done. A rejection
 * is recorded as the caller gets it; a secret never is.
 * @throws Problem 403 before the act, if the caller may only read
 */
export async function withAudit<T>(
  deps: Deps,
  caller: Caller,
  entry: Omit<NewAuditEntry, 'actor' | 'via'>,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
): Promise<T> {
  acting(caller)
  const { tid } = caller.actor
  const details = tid === undefined ? entry.details : { ...entry.details, tid }
  const rejection = (error: unknown) =>
    error instanceof Problem ? { title: error.title, detail: error.message } : undefined
  const answer = await withAuditEntry(
    deps.store,
    { ...entry, details, actor: caller.actor, via: caller.via },
    act,
    {
      ...(result === undefined ? {} : { result }),
      rejection,
    },
  )
  deps.log.info('act_done', { act: entry.act, target: entry.target, ...by(caller) })
  return answer
}

/**
 * Records an act whose name, case and comment are known.
 * @param target the kind and the id of the object
 * @param result returns the part of the answer to record; never a secret
 */
export type Recording = <T>(
  target: string | undefined,
  details: Record<string, unknown> | undefined,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
) => Promise<T>

/** Returns how acts of one name are recorded, with the case and comment of the caller. */
export const recordingOf =
  (deps: Deps, caller: Caller, known: Pick<NewAuditEntry, 'act'> & CaseAndComment): Recording =>
  (target, details, ...rest) =>
    withAudit(deps, caller, { ...known, target, details }, ...rest)

import type { AuditOutcome, NewAuditEntry } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { acting, type Caller } from './caller.ts'
import { Problem } from './problem.ts'

/**
 * Does what an operator asked for, with its record: written before it is done, because what cannot
 * be written down is not done, and how it ended after. An act that throws has its end written too:
 * `rejected` where `refusal` knows the error as a reason that the caller is given, else `failed`.
 * @param result what is worth keeping of the answer; never a secret
 */
export async function audited<T>(
  store: Pick<Deps['store'], 'appendAudit' | 'concludeAudit'>,
  entry: NewAuditEntry,
  act: () => Promise<T>,
  {
    result,
    refusal,
  }: {
    result?: (answer: T) => Record<string, unknown>
    refusal?: (error: unknown) => Record<string, unknown> | undefined
  } = {},
): Promise<T> {
  const id = await store.appendAudit(entry)
  const conclude = (outcome: AuditOutcome): Promise<void> =>
    // What was done stays done: the entry without an end says that it began, and by whom.
    store.concludeAudit({ id, ...outcome }).catch(() => undefined)
  try {
    const answer = await act()
    await conclude({ outcome: 'done', result: result?.(answer) })
    return answer
  } catch (error) {
    const words = refusal?.(error)
    await conclude(
      words === undefined ? { outcome: 'failed' } : { outcome: 'rejected', result: words },
    )
    throw error
  }
}

/**
 * An operator's act with its record in the audit log. A refusal, as the caller gets it, is written
 * too; a secret never is.
 * @throws Problem 403 before anything is done, where the caller may only read
 */
export async function withAudit<T>(
  deps: Pick<Deps, 'store'>,
  caller: Caller,
  entry: Omit<NewAuditEntry, 'actor' | 'via'>,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
): Promise<T> {
  acting(caller)
  const { tid } = caller.actor
  const details = tid === undefined ? entry.details : { ...entry.details, tid }
  const refusal = (error: unknown) =>
    error instanceof Problem ? { title: error.title, detail: error.message } : undefined
  return audited(deps.store, { ...entry, details, actor: caller.actor, via: caller.via }, act, {
    ...(result === undefined ? {} : { result }),
    refusal,
  })
}

import type { Store } from './store.ts'
import type { AuditOutcome, NewAuditEntry } from './types.ts'

/**
 * Does what an operator asked for, with its record: written before it is done, because what cannot be written down is not done, and how it ended
 * after. An act that throws has its end written too: `rejected` where `refusal` knows the error as a reason that the caller is given, else `failed`.
 * @param result what is worth keeping of the answer; never a secret
 */
export async function audited<T>(
  store: Pick<Store, 'appendAudit' | 'concludeAudit'>,
  entry: NewAuditEntry,
  act: () => Promise<T>,
  { result, refusal }: { result?: (answer: T) => Record<string, unknown>; refusal?: (error: unknown) => Record<string, unknown> | undefined } = {},
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
    await conclude(words === undefined ? { outcome: 'failed' } : { outcome: 'rejected', result: words })
    throw error
  }
}

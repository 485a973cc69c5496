import { audited } from '../../db/audited.ts'
import type { NewAuditEntry } from '../../db/types.ts'
import type { Deps } from './deps.ts'
import { acting, type Caller } from './caller.ts'
import { Problem } from './problem.ts'

/**
 * An operator's act with its record in the audit log. A refusal, as the caller gets it, is written too; a secret never is.
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
  const refusal = (error: unknown) => (error instanceof Problem ? { title: error.title, detail: error.message } : undefined)
  return audited(deps.store, { ...entry, details, actor: caller.actor, via: caller.via }, act, {
    ...(result === undefined ? {} : { result }),
    refusal,
  })
}

import {
  currentRequest,
  inRequest,
  type RequestContext,
} from '../../src/runtime/request-context.ts'
import { refusal } from './engine.ts'
import { isPlain } from './executor.ts'
import { mayPassAlone } from './transact.ts'

/**
 * The group-commit writer of Postgres: acts that wait together are one statement, and each is
 * answered when it is committed. What the statement does not settle, runs as an act of its own,
 * which knows every rule. One act's value never fails another's.
 */

/** Acts of one statement at most: bounds how long it holds its rows. */
const TOGETHER = 200
/** Statements under way at most. While they are, those that come wait and share the next. */
const UNDER_WAY = 2

interface Waiting<I, R> {
  input: I
  /** The request that it belongs to: a batch has acts of several. */
  request: RequestContext | undefined
  resolve(answer: R | Promise<R>): void
  reject(error: unknown): void
}

interface Grouped<I, R> {
  /** One statement for all. @returns the answers by the place of their input; none: not settled */
  together(inputs: I[]): Promise<(R | undefined)[]>
  alone(input: I): Promise<R>
}

export function groupCommit<I extends object, R>({
  together,
  alone,
}: Grouped<I, R>): (input: I) => Promise<R> {
  let queue: Waiting<I, R>[] = []
  let scheduled = false
  let underWay = 0

  const settle = async (batch: Waiting<I, R>[]): Promise<void> => {
    try {
      const answers = await together(batch.map(({ input }) => input))
      for (const [i, { input, request, resolve }] of batch.entries())
        resolve(answers[i] ?? inRequest(request, () => alone(input)))
    } catch (error) {
      for (const { input, request, resolve, reject } of batch) {
        if (mayPassAlone(error)) resolve(inRequest(request, () => alone(input)))
        else reject(refusal(error))
      }
    }
  }

  const flush = (): void => {
    scheduled = false
    const batch = queue.slice(0, TOGETHER)
    queue = queue.slice(TOGETHER)
    if (batch.length === 0) return
    underWay++
    void settle(batch).finally(() => {
      underWay--
      schedule()
    })
    schedule()
  }

  /** After the requests that are already there have been read: so they share one statement. */
  const schedule = (): void => {
    if (scheduled || queue.length === 0 || underWay >= UNDER_WAY) return
    scheduled = true
    setImmediate(flush)
  }

  return (input) => {
    if (!Object.values(input).every(isPlain)) return alone(input)
    return new Promise<R>((resolve, reject) => {
      queue.push({ input, request: currentRequest(), resolve, reject })
      schedule()
    })
  }
}

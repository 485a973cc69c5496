import {
  currentRequest,
  inRequest,
  type RequestContext,
} from '../../src/runtime/request-context.ts'
import { rejection } from './engine.ts'
import { isPlain } from './executor.ts'
import { mayPassAlone } from './transact.ts'

/**
 * The group-commit writer of Postgres: acts that wait together share one statement, and each is
 * answered when it is committed. An act that the statement does not settle runs alone, by the
 * complete rules. No act's value can fail another act.
 */

/** The most acts of one statement. It bounds how long the statement holds its rows. */
const TOGETHER = 200
/** The most statements under way. Acts that come meanwhile wait and share the next. */
const UNDER_WAY = 2

interface Waiting<I, R> {
  input: I
  /** The request of this act: a batch has acts of several. */
  request: RequestContext | undefined
  resolve(answer: R | Promise<R>): void
  reject(error: unknown): void
}

interface Grouped<I, R> {
  /**
   * Runs one statement for all inputs.
   * @returns the answers in the order of the inputs; undefined where it is not settled
   */
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
        else reject(rejection(error))
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

  /**
   * Waits until the requests that have already arrived are read, so that they share one statement.
   */
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

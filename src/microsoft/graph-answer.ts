import { GraphProblem } from './interface.ts'
import type { Answer } from './transport.ts'

/** Reads one answer of Microsoft Graph. An error is never read as an answer about a user. */

const codeOf = ({ body: { error } }: Answer): unknown =>
  typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined

/**
 * Returns whether Graph reports that no user has the id. Any other 404 comes from a wrong address
 * or a proxy and says nothing about a user.
 */
export const isNobody = (answer: Answer): boolean =>
  answer.status === 404 && codeOf(answer) === 'Request_ResourceNotFound'

/**
 * Returns a successful answer. Of an error's content only Graph's code is shown.
 * @throws GraphProblem if the answer is not a success
 */
export function good(answer: Answer): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer
  const code = codeOf(answer)
  const words = `Graph answered ${answer.status}${typeof code === 'string' && /^\w{1,60}$/.test(code) ? ` (${code})` : ''}`
  if (answer.status === 403)
    throw new GraphProblem(
      'forbidden',
      `${words}: is the application permission there, and consented to?`,
    )
  throw new GraphProblem(answer.status === 401 ? 'credential' : 'rejected', `${words}.`)
}

/**
 * Returns the body of an answer about the requested user.
 * @throws GraphProblem if the answer is about another object
 */
export function about(answer: Answer, oid: string): Record<string, unknown> {
  const { body } = good(answer)
  if (typeof body.id !== 'string' || body.id.toLowerCase() !== oid)
    throw new GraphProblem('rejected', 'Graph answered about another user.')
  return body
}

/** Returns a time in epoch seconds, or undefined if the value is not a time. */
export function secondsOf(value: unknown): number | undefined {
  const atMs = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(atMs) ? undefined : Math.floor(atMs / 1000)
}

import { GraphProblem } from './interface.ts'
import type { Answer } from './transport.ts'

/** Reads one answer of Microsoft Graph. An error never counts as an answer about a user. */

const codeOf = ({ body: { error } }: Answer): unknown =>
  typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined

/**
 * Graph says that no user has that id. Any other 404 is a wrong address of ours, or a proxy's, and
 * says nothing about a user.
 */
export const isNobody = (answer: Answer): boolean =>
  answer.status === 404 && codeOf(answer) === 'Request_ResourceNotFound'

/** @throws GraphProblem where it is not a success. Of what Graph wrote only its code is shown. */
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

/** @throws GraphProblem where the answer is about another object than the one that was asked for */
export function about(answer: Answer, oid: string): Record<string, unknown> {
  const { body } = good(answer)
  if (typeof body.id !== 'string' || body.id.toLowerCase() !== oid)
    throw new GraphProblem('rejected', 'Graph answered about another user.')
  return body
}

/** Undefined: it is not a time. */
export function secondsOf(value: unknown): number | undefined {
  const atMs = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(atMs) ? undefined : Math.floor(atMs / 1000)
}

import type { Context } from 'hono'
import { z } from 'zod'
import { StoreUnavailable } from '../../db/types.ts'
import { OAuthError } from '../protocol/error.ts'
import type { Log } from '../runtime/log.ts'

/**
 * An error answer of the admin API (RFC 9457): what is wrong, every problem at once, and what to do
 * next.
 */
export class Problem extends Error {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 429 | 500 | 503
  readonly title: string
  /** The problems, a sentence for each, if there is more than one. */
  readonly problems: string[]

  constructor(status: Problem['status'], title: string, detail: string, problems: string[] = []) {
    super(detail)
    this.name = 'Problem'
    this.status = status
    this.title = title
    this.problems = problems
  }
}

/** The problem document of RFC 9457 §3, with our one extension member `problems`. */
export const problemSchema = z
  .object({
    type: z
      .string()
      .meta({ description: 'which problem: a URN made of the title, which does not vary' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'what to do next' }),
    problems: z.array(z.string()).optional(),
  })
  .meta({ id: 'Problem' })

export function problemResponse(problem: Problem, headers: Record<string, string> = {}): Response {
  const { status, title, problems } = problem
  const type = `urn:case-manager:problem:${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`
  const body = {
    type,
    title,
    status,
    detail: problem.message,
    ...(problems.length > 0 ? { problems } : {}),
  }
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...headers,
    },
  })
}

/** Returns the problem document of any error. A bug is logged with its cause and never shown. */
export function problemOf(error: unknown, log: Log, c: Context): Response {
  if (error instanceof Problem) return problemResponse(error)
  if (error instanceof OAuthError) {
    const status =
      error.status === 401 || error.status === 403 || error.status === 503 ? error.status : 400
    return problemResponse(new Problem(status, error.code, error.message))
  }
  if (error instanceof StoreUnavailable) {
    log.error('admin_store_unavailable', { path: c.req.path, cause: error })
    return problemResponse(
      new Problem(
        503,
        'The store is unavailable',
        'Nothing was changed. GET /readyz says what is wrong; free some disk space or try again.',
      ),
    )
  }
  log.error('admin_failed', { method: c.req.method, path: c.req.path, cause: error })
  return problemResponse(
    new Problem(
      500,
      'The broker failed',
      'This is a fault of the broker; its log has the cause as admin_failed.',
    ),
  )
}

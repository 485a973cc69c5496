import type { Context } from 'hono'
import { randomUUID } from 'node:crypto'

/** Returns an error in Graph's shape. */
export function graphError(
  c: Context,
  status: 400 | 401 | 403 | 404 | 410 | 429 | 503,
  code: string,
  message: string,
  nowMs: number,
): Response {
  const id = randomUUID()
  return c.json(
    {
      error: {
        code,
        message,
        innerError: {
          date: new Date(nowMs).toISOString().slice(0, 19),
          'request-id': id,
          'client-request-id': c.req.header('client-request-id') ?? id,
        },
      },
    },
    status,
  )
}

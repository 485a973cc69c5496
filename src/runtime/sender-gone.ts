import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'

/** Whether a request failed because its sender closed the connection before the body ended: no fault of ours, and no answer is read. */
export function senderIsGone(error: Error, c: Context): boolean {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  return incoming?.destroyed === true && error.message === 'aborted' && (error as NodeJS.ErrnoException).code === 'ECONNRESET'
}

import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { Config } from '../config/config.ts'
import { remoteAddress } from '../protocol/remote-address.ts'

/** Where a request comes from: for logs and rate limits. It authenticates nothing. */
export function remoteOf(c: Context, config: Pick<Config, 'trustedProxies'>): string | undefined {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  return remoteAddress(incoming?.socket.remoteAddress, c.req.header('x-forwarded-for'), config.trustedProxies)
}

import type { Context } from 'hono'
import { remoteOf } from '../../runtime/remote-address.ts'
import type { Config } from '../../config/config.ts'

/** The IP address of a browser as the trusted proxies give it, for the security history. Undefined where the broker is to store none. */
export const addressOf = ({ config }: { config: Pick<Config, 'retention' | 'trustedProxies'> }, c: Context): string | undefined =>
  config.retention.addressDays === 0 ? undefined : remoteOf(c, config)

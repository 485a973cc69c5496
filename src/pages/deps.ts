import type { Config } from '../config/config.ts'
import type { Sealer } from '../keys/interface.ts'
import type { Random } from '../runtime/ids.ts'
import type { Log } from '../runtime/log.ts'
import type { RateLimits } from '../runtime/rate-limits.ts'

/** The dependencies of this module, the pages. */
export interface Deps {
  config: Config
  random: Random
  log: Log
  sealer: Sealer
  rateLimits: RateLimits
}

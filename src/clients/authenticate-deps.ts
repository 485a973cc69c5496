import type { Store } from '../../db/store.ts'
import type { Deps } from './deps.ts'

/** What the files that authenticate a client need. */
export type AuthenticateDeps = Pick<Deps, 'clients' | 'config' | 'log' | 'rateLimits'> & {
  outbound: Pick<Deps['outbound'], 'request'>
  store: Pick<Store, 'consumeOnce'>
}

import type { Store } from '../../db/store.ts'
import type { Deps } from '../deps.ts'

/** What the files that authenticate a client need. */
export type AuthenticateDeps = Pick<Deps, 'clients' | 'outbound' | 'config' | 'log' | 'rateLimits'> & { store: Pick<Store, 'consumeOnce'> }

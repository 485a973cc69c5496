import type { Store } from '../../db/store.ts'
import type { KeyRing } from '../keys/interface.ts'
import type { EntraConnection } from '../microsoft/connection.ts'
import type { Deps as PageDeps } from '../pages/deps.ts'
import type { SteadyClock } from '../runtime/clock.ts'
import type { Metrics } from '../runtime/metrics.ts'
import type { Outbound } from '../runtime/outbound.ts'
import type { ClientRegistry } from './interface.ts'

/** The dependencies of this module: the registered clients. */
export interface Deps extends PageDeps {
  /** The wall clock, corrected if it is wrong by more than a minute. */
  clock: SteadyClock
  metrics: Metrics
  store: Store
  keys: KeyRing
  clients: ClientRegistry
  /**
   * The connected Microsoft tenants and the application used for each. The store has them; the
   * environment sets their first values.
   */
  connection: EntraConnection
  /**
   * Outbound HTTP to addresses that others registered (logout targets, `jwks_uri`): pooled,
   * bounded, no redirects.
   */
  outbound: Outbound
}

/** The part of `Deps` that the authentication of clients needs. */
export type AuthenticateDeps = Pick<Deps, 'clients' | 'config' | 'log' | 'rateLimits'> & {
  outbound: Pick<Deps['outbound'], 'request'>
  store: Pick<Store, 'consumeOnce'>
}

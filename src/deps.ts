import type { Store } from '../db/store.ts'
import type { Session } from '../db/types.ts'
import type { ClientRegistry } from './clients/interface.ts'
import type { Config } from './config/config.ts'
import type { KeyRing, Sealer } from './keys/interface.ts'
import type { SigningKey } from './keys/signing-key.ts'
import type { Log } from './runtime/log.ts'
import type { Metrics } from './runtime/metrics.ts'
import type { EntraConnection } from './microsoft/connection.ts'
import type { Microsoft } from './microsoft/interface.ts'
import type { SignInWatch } from './microsoft/sign-in-watch.ts'
import type { AddressWatch } from './runtime/address-watch.ts'
import type { ClockWatch } from './runtime/clock-watch.ts'
import type { SteadyClock } from './runtime/clock.ts'
import type { Random } from './runtime/ids.ts'
import type { SigningAlg } from './protocol/names.ts'
import type { Topic } from './runtime/topic.ts'
import type { RateLimits } from './runtime/rate-limits.ts'
import type { DeliveryQueue, Feed } from './outbox/interface.ts'

/** All that is ambient, handed in: no module reads a clock, a random number, the network or the environment by itself. */
export interface Deps {
  config: Config
  /** The wall clock, or the right time where the wall clock is wrong by more than a minute. */
  clock: SteadyClock
  /** Whether the clock can be trusted with what is decided by time. */
  clockWatch: ClockWatch
  /** Whether each tenant's users get through Microsoft's sign-in. */
  signInWatch: SignInWatch
  /** Whether a proxy hides the addresses of clients. */
  addressWatch: AddressWatch
  random: Random
  /** Draws a signing key, which Node does by itself and not from `random`. */
  makeKey: (alg: SigningAlg) => Promise<SigningKey>
  log: Log
  metrics: Metrics
  store: Store
  sealer: Sealer
  keys: KeyRing
  clients: ClientRegistry
  microsoft: Microsoft
  /** Which Microsoft tenants are connected, as which application: the store's word, which the environment seeded. */
  connection: EntraConnection
  queue: DeliveryQueue
  /** The session of each refresh that succeeded. */
  refreshes: Topic<Session>
  feed: Feed
  followed: Followed
  rateLimits: RateLimits
  /** Outbound HTTP to addresses that others registered (logout targets, `jwks_uri`): pooled, bounded, no redirects. */
  outbound: Outbound
  /** The same to the endpoints of webhooks: public addresses, and private ones of an allow-list. */
  webhookOutbound: Outbound
}

/** Whether what this broker keeps in memory is as the store had it when the broker came back to it. */
export interface Followed {
  /** Waits for it where it is not. @throws StoreUnavailable */
  current(): Promise<void> | undefined
  /** Rises when the broker comes back and has to read again: what was begun before may have gone by what is old. */
  readonly returns: number
}

export interface Outbound {
  /** Never follows a redirect; reads at most `maxBytes` of the answer. Throws on transport errors and timeouts. */
  request(
    url: string,
    init: {
      method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
      headers?: Record<string, string>
      body?: string
      timeoutMs: number
      maxBytes: number
      /** `latin1`: each letter of the answer's body is one byte of it. */
      encoding?: 'utf8' | 'latin1'
      signal?: AbortSignal | undefined
    },
  ): Promise<{ status: number; headers: Record<string, string>; body: string }>
  /** The certificate that the server at an https origin shows, through the same rules. Throws where there is no connection, or it is not valid. */
  certificate(origin: string, timeoutMs: number): Promise<Validity>
  close(): Promise<void>
}

/** Of a certificate, in epoch seconds. */
export interface Validity {
  from: number
  until: number
}

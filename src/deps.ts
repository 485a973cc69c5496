import type { SigningKey } from './keys/signing-key.ts'
import type { SigningAlg } from './protocol/names.ts'
import type { SavedBranding } from './operations/acts/branding.ts'
import type { Deps as ProviderDeps } from './provider/deps.ts'
import type { AddressWatch } from './runtime/remote-address.ts'

/**
 * Everything that modules need from outside. No module reads the clock, random numbers, the network
 * or the environment directly.
 */
export interface Deps extends ProviderDeps {
  /** Notices if a proxy hides the addresses of clients. */
  addressWatch: AddressWatch
  /** Generates a signing key. Node uses its own randomness for this, not `random`. */
  makeKey: (alg: SigningAlg) => Promise<SigningKey>
  followed: Followed
  branding: SavedBranding
}

/**
 * Tracks whether the state that this broker keeps in memory is up to date, after it was cut off
 * from the store.
 */
export interface Followed {
  /**
   * Resolves once the memory is up to date; undefined if it is already.
   * @throws StoreUnavailable
   */
  current(): Promise<void> | undefined
  /** Settles once all is read that has changed; undefined where nothing is read. */
  read(): Promise<void> | undefined
  /**
   * Counts the times that the broker reconnected and has to read again. A request that began before
   * may have used outdated state.
   */
  readonly returns: number
}

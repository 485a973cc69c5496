import type { SigningKey } from './keys/signing-key.ts'
import type { SigningAlg } from './protocol/names.ts'
import type { SavedBranding } from './operations/acts/branding.ts'
import type { Deps as ProviderDeps } from './provider/deps.ts'
import type { AddressWatch } from './runtime/remote-address.ts'

/**
 * All that is ambient, handed in: no module reads a clock, a random number, the network or the
 * environment by itself.
 */
export interface Deps extends ProviderDeps {
  /** Whether a proxy hides the addresses of clients. */
  addressWatch: AddressWatch
  /** Draws a signing key, which Node does by itself and not from `random`. */
  makeKey: (alg: SigningAlg) => Promise<SigningKey>
  followed: Followed
  branding: SavedBranding
}

/**
 * Whether what this broker keeps in memory is as the store had it when the broker came back to it.
 */
export interface Followed {
  /** Waits for it where it is not. @throws StoreUnavailable */
  current(): Promise<void> | undefined
  /**
   * Rises when the broker comes back and has to read again: what was begun before may have gone by
   * what is old.
   */
  readonly returns: number
}

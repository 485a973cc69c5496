import type { BrokerClock } from './broker-clock.ts'
import type { AccessClaims } from './claims.ts'
import type { KeySet } from './keys.ts'
import type { Covered, Ledger } from './ledger.ts'
import type { Settings } from './options.ts'

interface ValidityParts {
  brokerClock: BrokerClock
  keys: KeySet
  ledger: Ledger
  settings: Pick<Settings, 'clockToleranceSeconds'>
}

/**
 * Decides whether a verified token is still valid, by the clock and by what the broker has sent so
 * far.
 */
export class Validity {
  readonly #parts: ValidityParts

  constructor(parts: ValidityParts) {
    this.#parts = parts
  }

  /**
   * Returns epoch seconds. A clock that was set back does not revive tokens whose revocations have
   * been forgotten.
   */
  now(): number {
    const { brokerClock, ledger } = this.#parts
    return Math.max(brokerClock.latest(), ledger.sweptAt)
  }

  /**
   * Returns the seconds until a token expires, clock tolerance included. 0 or less: it has expired.
   */
  secondsLeft({ exp }: { exp: number }): number {
    return exp + this.#parts.settings.clockToleranceSeconds - this.now()
  }

  isKeyWithdrawn(kid: string): boolean {
    return !this.#parts.keys.has(kid)
  }

  /**
   * Returns whether the token is revoked, or why the guard cannot be sure (`Ledger.covers`).
   */
  revoked(claims: AccessClaims): Covered | undefined {
    const { ledger } = this.#parts
    return ledger.isOfFormerLog(claims) ? 'revoked' : ledger.covers(claims)
  }
}

import type { Deps } from './deps.ts'
import { signHead } from '../src/operations/acts/evidence.ts'

/** Rotates the signing keys and signs the heads of the logs. */

/**
 * Does the scheduled rotation of keys: publishes the next key, activates it, stops publishing an
 * old one. Guards are notified if the JWKS changed.
 */
export async function rotateKeys(
  deps: Pick<Deps, 'keys' | 'clock' | 'feed' | 'log'>,
): Promise<void> {
  const before = kids(deps)
  await deps.keys.tick(deps.clock.now())
  if (kids(deps) === before) return
  deps.log.info('signing_keys_changed', { kids: kids(deps) })
  deps.feed.publishKeys(deps.keys.retiredKids())
}

const kids = (deps: Pick<Deps, 'keys'>): string =>
  deps.keys
    .jwks()
    .keys.map((key) => String(key['kid']))
    .join(' ')

/**
 * The longest interval between two signatures of a log's head. Below, the number of new rows after
 * which it is signed sooner, so that the part of a log between two signed heads stays short.
 */

const HOUR = 3600
const MOST_ROWS = 1_000

export async function signHeads(deps: Pick<Deps, 'store' | 'keys' | 'clock'>): Promise<void> {
  for (const log of ['revocations', 'audit'] as const) {
    const { number, signed } = await deps.store.chainHead(log)
    if (
      signed === undefined ||
      deps.clock.now() - signed.at >= HOUR ||
      number - signed.number >= MOST_ROWS
    )
      await signHead(deps, log)
  }
}

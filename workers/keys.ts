import type { Deps } from './deps.ts'
import { signHead } from '../src/operations/acts/evidence.ts'

/** The signing keys' and the logs' regular work: rotating keys, signing the heads of the logs. */

/**
 * Lets the key ring do what is due: publish the next key, let it sign, stop publishing an old one.
 * Guards are notified that the JWKS has changed.
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
 * Signs the heads of the logs' chains: once an hour, and sooner where many rows were appended, so
 * that the stretch of a log between two signed heads stays short. It rejects nothing: a head that
 * has not moved is signed already.
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

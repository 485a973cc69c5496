import type { Deps } from './deps.ts'

/** Lets the key ring do what is due: publish the next key, let it sign, stop publishing an old one. Guards are notified that the JWKS has changed. */
export async function rotateKeys(deps: Pick<Deps, 'keys' | 'clock' | 'feed' | 'log'>): Promise<void> {
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

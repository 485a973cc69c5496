import type { Sealer } from './interface.ts'

/**
 * Seals a value that passes through a browser, for one place and with an expiry. The broker keeps
 * no copy.
 */

export const sealUntil = (
  sealer: Pick<Sealer, 'seal'>,
  place: string,
  value: unknown,
  until: number,
): string => sealer.seal(place, JSON.stringify({ until, value }))

/**
 * Returns the sealed value, or undefined if the broker did not seal it for this place. It may have
 * expired: the caller compares `until`.
 */
export function openSealed(
  sealer: Pick<Sealer, 'open'>,
  place: string,
  sealed: string | undefined,
): { until: number; value: unknown } | undefined {
  const plain = sealed === undefined ? undefined : sealer.open(place, sealed)
  return plain && (JSON.parse(plain.toString('utf8')) as { until: number; value: unknown })
}

/** Returns the sealed value, or undefined if it is not valid or has expired. */
export function openUntil(
  sealer: Pick<Sealer, 'open'>,
  place: string,
  sealed: string | undefined,
  now: number,
): unknown {
  const opened = openSealed(sealer, place, sealed)
  return opened !== undefined && opened.until > now ? opened.value : undefined
}

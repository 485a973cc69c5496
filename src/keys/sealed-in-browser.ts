import type { Sealer } from './interface.ts'

/**
 * What travels through a browser: sealed for one place, valid until a time. Nothing of it is kept
 * by the broker.
 */

export const sealUntil = (
  sealer: Pick<Sealer, 'seal'>,
  place: string,
  value: unknown,
  until: number,
): string => sealer.seal(place, JSON.stringify({ until, value }))

/**
 * Undefined where it is not ours or was sealed for another place. It may be too old: `until` is the
 * caller's to check.
 */
export function openSealed(
  sealer: Pick<Sealer, 'open'>,
  place: string,
  sealed: string | undefined,
): { until: number; value: unknown } | undefined {
  const plain = sealed === undefined ? undefined : sealer.open(place, sealed)
  return plain && (JSON.parse(plain.toString('utf8')) as { until: number; value: unknown })
}

/** The value, while it is valid. */
export function openUntil(
  sealer: Pick<Sealer, 'open'>,
  place: string,
  sealed: string | undefined,
  now: number,
): unknown {
  const opened = openSealed(sealer, place, sealed)
  return opened !== undefined && opened.until > now ? opened.value : undefined
}

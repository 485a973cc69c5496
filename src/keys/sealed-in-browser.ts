import type { Sealer } from './interface.ts'

/** What travels through a browser: sealed for one place, valid until a time. Nothing of it is kept by the broker. */

export const sealUntil = (sealer: Pick<Sealer, 'seal'>, place: string, value: unknown, until: number): string =>
  sealer.seal(place, JSON.stringify({ until, value }))

/** Undefined where it is not ours, was sealed for another place, or is too old; else what was sealed for that place. */
export function openUntil(sealer: Pick<Sealer, 'open'>, place: string, sealed: string | undefined, now: number): unknown {
  const plain = sealed === undefined ? undefined : sealer.open(place, sealed)
  if (plain === undefined) return undefined
  const { until, value } = JSON.parse(plain.toString('utf8')) as { until: number; value: unknown }
  return until > now ? value : undefined
}

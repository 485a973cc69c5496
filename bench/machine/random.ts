/**
 * Random numbers from a seed, so that a run can be repeated. Each part of the run has its own
 * stream, so none depends on which part was faster.
 */
export interface Random {
  /** Returns a number from 0 to below 1. */
  next(): number
  /** Returns a whole number, both ends included. */
  between(from: number, to: number): number
  chance(share: number): boolean
  pick<T>(of: readonly T[]): T
  shuffled<T>(of: readonly T[]): T[]
  /** Returns at least one of them, in their order. */
  some<T>(of: readonly T[]): T[]
}

export function randomOf(seed: number, stream: string): Random {
  let state = Buffer.from(stream).reduce(
    (sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0,
    (seed ^ 0x811c9dc5) >>> 0,
  )
  // Mulberry32.
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1))
  const pick = <T>(of: readonly T[]): T => of[between(0, of.length - 1)] as T
  return {
    next,
    between,
    pick,
    chance: (share) => next() < share,
    shuffled(of) {
      const left = [...of]
      return of.map(() => left.splice(between(0, left.length - 1), 1)[0] as (typeof of)[number])
    },
    some(of) {
      const chosen = of.filter(() => next() < 0.6)
      return chosen.length > 0 ? chosen : [pick(of)]
    },
  }
}

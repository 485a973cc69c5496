import fc from 'fast-check'

/**
 * The possible steps: what two browsers of one user, their operators and time may do, one after
 * another.
 */

const device = fc.nat(1)
export const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('sign_in' as const), device, password: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('leave' as const),
      device,
      fresh: fc.boolean(),
      own: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('return' as const), device, password: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      device,
      how: fc.constantFrom('device', 'everywhere', 'operator', 'everything', 'theft'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sign_out' as const), device }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      seconds: fc.constantFrom(1, 4, 40, 600, 9 * 3600),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('set_clock' as const),
      offset: fc.integer({ min: -50, max: 50 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lock' as const),
      what: fc.constantFrom('user' as const, 'tenant' as const, 'client' as const),
      seconds: fc.constantFrom(undefined, 60),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('lift' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('use_grant' as const), device }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
)
export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
export type Of<D extends Step['do']> = Extract<Step, { do: D }>

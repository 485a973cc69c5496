import type { Deps } from '../deps.ts'

/** The `state` of a verification that the broker asks for (SSF 1.0 §8.1.4): sealed, so that every broker recognizes it and none stores it. */

const place = (issuer: string): string => `signal-verification/${issuer}`
const MOST_CHARACTERS = 1000

export const newState = ({ sealer }: Pick<Deps, 'sealer'>, issuer: string, now: number): string => sealer.seal(place(issuer), String(now))

/** Whether this broker, or one beside it, asked that issuer with this state. */
export const isOwnState = ({ sealer }: Pick<Deps, 'sealer'>, issuer: string, state: unknown): boolean =>
  typeof state === 'string' && state.length <= MOST_CHARACTERS && sealer.open(place(issuer), state) !== undefined

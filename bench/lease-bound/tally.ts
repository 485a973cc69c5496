/** The results of a run of the bench `lease-bound`, and whether they are enough. */

export const SUBJECTS = ['token', 'session'] as const
/** The two things by which a request is accepted. */
export type Subject = (typeof SUBJECTS)[number]

export interface Part {
  store: 'sqlite' | 'postgres'
  leaseSeconds: number
  /** The faults that must have been counted. */
  faults: number
}

/** The results of a part. They are kept between runs, so they are plain data. */
export interface Tally {
  slices: number
  revocations: number
  /** By what was accepted. */
  of: Record<Subject, Seen>
  /** Questions to brokers about a token after the acknowledgment: what they answered. */
  introspected: { inactive: number; none: number }
  /** How many receipts were compared, and how many clients they called confirmed. */
  receipts: { compared: number; token: number; session: number }
  /**
   * How often a guard called a session ended before it was revoked, by what the guard said and by
   * the guard's latest fault.
   */
  endedEarly: Record<string, number>
  /** The seconds for which a server without a guard accepted a revoked token. */
  withoutGuardSeconds?: number
  violations: string[]
}

interface Seen {
  /** Faults by kind. One counts once for each guard that it hit while it accepted. */
  counted: Record<string, number>
  /**
   * By kind of fault, how often a guard's latest accepted request was sent so many milliseconds
   * after the acknowledgment.
   */
  latest: Record<string, Record<number, number>>
}

export const emptyTally = (): Tally => ({
  slices: 0,
  revocations: 0,
  introspected: { inactive: 0, none: 0 },
  of: { token: { counted: {}, latest: {} }, session: { counted: {}, latest: {} } },
  receipts: { compared: 0, token: 0, session: 0 },
  endedEarly: {},
  violations: [],
})
export const sum = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((all, count) => all + count, 0)
export const faultsOf = ({ of }: Tally): number => sum(of.token.counted)

/** The faults of clocks that jump, or are wrong when a broker starts. */
export const JUMPED = 'guard: clock jumped ahead and back'
export const KILLED = 'broker killed'
export const RESUMED = 'broker resumed after hours of suspension'
export const STARTED_WRONG = 'broker started with a wrong clock'

const OF_CLOCKS = [JUMPED, RESUMED, STARTED_WRONG]
const OF_GUARDS = [
  'cut',
  'swallowed',
  'lost to the guard',
  'lost to the broker',
  'delayed',
  'held',
  'throttled',
].map((kind) => `line ${kind}`)
const OF_HOSTS = ['guard suspended', 'guard stopped']
const SET = ['guard: clock set back', 'guard: clock set forward']
const OF_BROKERS = [
  'broker stopped',
  'broker suspended',
  'broker: clock set',
  KILLED,
  RESUMED,
  STARTED_WRONG,
]
const OF_POSTGRES = [
  'Postgres stopped',
  'Postgres killed',
  'Postgres failed over',
  'Postgres failed over, the old primary isolated',
  'broker: line to Postgres swallowed',
  'broker: line to Postgres delayed',
]

/** How many faults a run must count. */
export interface Wanted {
  /** If above 0, each kind of fault must be counted as often, by tokens and by sessions. */
  each: number
  /** The kinds of faults that happen. `clocks`: those of clocks and lines alone. */
  only: 'clocks' | undefined
}

/** Returns the kinds of faults that a part must have counted. */
export function kindsOf({ store }: Part, { only }: Wanted): string[] {
  if (only === 'clocks') return OF_CLOCKS
  // Faults of guards and lines have nothing to do with the store, and are rare beside Postgres.
  return store === 'postgres'
    ? [...OF_BROKERS, ...OF_POSTGRES]
    : [...OF_GUARDS, ...OF_HOSTS, ...SET, JUMPED, ...OF_BROKERS]
}

/** Returns the kinds of which too few faults were counted, by tokens or by sessions. */
export const rareOf = (part: Part, { of }: Tally, wanted: Wanted): string[] =>
  kindsOf(part, wanted).filter((kind) =>
    SUBJECTS.some((subject) => (of[subject].counted[kind] ?? 0) < wanted.each),
  )

/** Returns whether enough faults were counted. */
export const isEnough = (part: Part, tally: Tally, wanted: Wanted): boolean =>
  wanted.each === 0 ? faultsOf(tally) >= part.faults : rareOf(part, tally, wanted).length === 0

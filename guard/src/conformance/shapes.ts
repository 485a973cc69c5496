/** The format of the vectors in guard/conformance/*.json. */

export type Decision = 'accept' | 'reject' | 'unavailable'
export type LogoutDecision = 'ended' | 'final' | 'again'

/**
 * The differences from the default token of its kind. Times are relative to the current time. Null
 * leaves a claim or a header out; the text "$NULL" makes a claim null.
 */
export interface TokenSpec {
  /** Default: es-1 for access tokens, rs-1 for logout tokens. */
  key?: string
  header?: Record<string, unknown>
  claims?: Record<string, unknown>
  /** A text to send instead of a token. */
  text?: string
  /** A name for the token. A later step with the same name sends the same token again. */
  same?: string
  /** True to send it with another signature. */
  is_forged?: true
}

/**
 * The differences from a valid proof of the request that it is in, as in a token. In `text`, "$PROOF"
 * is the proof itself.
 */
export interface ProofSpec extends TokenSpec {
  /** The name of the key in its header. Default: that of the key which signs it. */
  jwk?: string
}

/** The request that brings a token, for a guard that verifies proofs. */
export interface Brought {
  scheme: 'DPoP' | 'Bearer'
  method: string
  /** With its query. */
  path: string
  /** The values of its `DPoP` headers. */
  proofs: string[]
}

/**
 * The condition that a value must meet. A plain value must be equal. An object names members, each
 * with a pattern of its own, null for one that must be absent. Four objects differ: `$is`, a regular
 * expression; `$between`, the bounds of a number; `$streams`, the names of exactly these streams and
 * pollers (by their order, -1 the newest); `$not`, a pattern that must not apply.
 */
export type Pattern = unknown

/** A difference of the fake broker's answer from the ordinary one. */
export interface Answer {
  /** Only to requests of which this is so. Their members: `method`, `headers`, `query`, `body`. */
  to?: Pattern
  /** To so many requests. Default: to each. */
  times?: number
  /** Sends the answer so much later than it was made. */
  delay_ms?: number
  /** Sends the headers at once, and what follows so much later. */
  body_delay_ms?: number
  /** Sends the headers at once, then a space every 300 ms, and never the rest. */
  trickles?: true
  /** Never answers. */
  hangs?: true
  /** Without a body, unless there are `members`. */
  status?: number
  headers?: Record<string, string>
  /** Members that replace those of the JSON. Null leaves one out. */
  members?: Record<string, unknown>
  /** A body instead of the JSON. */
  text?: string
  /** The number of spaces before the body. */
  padding?: number
}

/** A demand of an act on the user's authentication. */
export interface Demand {
  acr?: string
  /** Seconds. */
  max_age?: number
}

export type Step =
  /** Starts the guard. `by`: its authentication, by default a secret. `poll`: true if it polls. */
  | { do: 'start'; by?: 'key'; poll?: true; without_lease?: 'introspect'; sessions?: true }
  /**
   * Checks a token. `for_ms`: during that time each answer must be an expected one. `for_leases`:
   * the same in lengths of the lease. `within_ms`: an expected answer must come within that time.
   * `later`: a name; a step `answer` waits for the answer. `demand`: the token is for such an act.
   * `request`: by default the token comes as Bearer.
   */
  | {
      do: 'check'
      token: TokenSpec
      expect: Decision | Decision[]
      later?: string
      at_once?: boolean
      never?: Decision
      for_ms?: number
      for_leases?: number
      within_ms?: number
      demand?: Demand
      request?: Omit<Brought, 'proofs'> & { proofs: ProofSpec[] }
    }
  /** Waits for the answers to a check that was sent before. */
  | { do: 'answer'; to: string; expect: Decision | Decision[] }
  /** Stops the guard. It may be asked further. */
  | { do: 'stop' }
  /**
   * Checks a session of the instance. `claims`: the differences from the claims of its ID token.
   * Times are relative to the first such step, and null leaves a claim out. `later`: as of a check.
   */
  | {
      do: 'session'
      claims: Record<string, unknown>
      expect: Decision | Decision[]
      later?: string
      at_once?: boolean
      never?: Decision
    }
  | { do: 'logout'; token: TokenSpec; expect: LogoutDecision | LogoutDecision[]; at_once?: boolean }
  | {
      do: 'revoke'
      seq: number
      selector: Record<string, unknown>
      unsent?: boolean
      /** The seconds until the entry expires. Default: an hour and a minute. */
      exp_in?: number
      /** The seconds for which the entry counts for sessions. Default: 12 hours. */
      session_exp_in?: number
      members?: Record<string, unknown>
    }
  /**
   * Sends an event on every open stream without changing the log. The text "$EXP" in its data becomes
   * the `exp` of a new entry.
   */
  | { do: 'send'; event: string; id?: string; data: unknown }
  /** Writes raw pieces of the stream, each by itself. */
  | { do: 'raw'; pieces: string[] }
  | { do: 'broker'; set: Partial<BrokerState> }
  /**
   * Moves the clocks of the guard, and those of the fake broker by `broker_ms`. What is left out is
   * 0.
   */
  | {
      do: 'clock'
      wall_ms?: number
      monotonic_ms?: number
      elapsed_ms?: number
      broker_ms?: number
    }
  | { do: 'fill'; count: number }
  | { do: 'cut' }
  | { do: 'live' }
  /** Sends nothing more on the open streams, until it is over. Streams that are opened later work. */
  | { do: 'hush'; over?: true }
  /**
   * Expects a new connection. `resumes`: the position in its Last-Event-ID, or `nothing` for none.
   */
  | {
      do: 'expect_connection'
      within_ms?: number
      resumes?: { epoch: string; at_most: number; at_least?: number } | 'nothing'
    }
  /**
   * Expects a report. `answered`: the status of the fake broker's answer, by default 204. `again`:
   * it must be newer than the report that the last such step found.
   */
  | {
      do: 'expect_report'
      epoch: string
      seq: number
      answered?: number
      again?: boolean
      members?: Record<string, Pattern>
    }
  /**
   * Expects requests to a path since the last such step: at least so many, or at most so many
   * during `for_ms`. `like`: only these count. `each`: what each of them must be. `apart_ms`: the
   * least time between two of them. `distinct`: a member of the query that no two of them share.
   */
  | ({
      do: 'expect_requests'
      path: string
      like?: Pattern
      each?: Pattern
      apart_ms?: number
      distinct?: string
    } & ({ at_least: number; within_ms?: number } | { at_most: number; for_ms: number }))

/** The properties of the fake broker that a case may set. */
export interface BrokerState {
  epoch: string
  seq: number
  /** The most entries in one snapshot or page. */
  page: number
  retired_kids: string[]
  jwks: string[]
  /** Answers 503 to everything, and ends the streams. */
  down: boolean
  /** Sends neither events nor heartbeats, and keeps the streams open. */
  silent: boolean
  /** Its answers to requests, by their path. Of a list the first that applies counts. */
  answers: Record<string, Answer | Answer[]>
  /** The members of its events that differ from the ordinary ones. Null leaves one out. */
  events: Record<string, Record<string, unknown>>
  /** The event that each heartbeat is, instead of a lease. */
  beats: 'lease' | 'comment' | 'head' | 'revocation'
  /** Sends no `live` until the step `live`. */
  hold_live: boolean
  /** The seconds by which the broker's clock is ahead. */
  clock_ahead_seconds: number
  /** The `issuer` of the discovery document. */
  issuer: string
  /** The path whose requests are redirected to another one with the same answer. */
  moved: string
  /** True to send only the headers of a stream, as a proxy that buffers does. */
  buffered: boolean
  /** The content type of streams. */
  type: string
  /** The milliseconds for which the broker has not read the log, as its leases state. */
  known_ago_ms: number
  /** True to send everything later by a lease and a quarter, as a slow connection does. */
  late: boolean
  /** The name of the clock in leases. Empty: the broker's own. */
  lease_clock: string
  /** The length of the leases. 0: the length that the kit was started with. */
  lease_seconds: number
  /** True if the broker of the kit grants no lease. */
  no_lease: boolean
  /**
   * The error in answers to requests for an anchor: another broker's clock, or the nonce of an
   * earlier request.
   */
  clock_answers: '' | 'another clock' | 'another nonce'
  /**
   * True to answer streams and polls as a cache would: by the nonce of an earlier request, with an
   * anchor and leases that are a minute older.
   */
  replays: boolean
  /**
   * The tenants of the client's registration. Empty: all. An entry with a member `tid` is sent only
   * to a client that is registered for that tenant.
   */
  tenants: string[]
  /** The `seq` from which it knows the ends of sessions. */
  complete_from: number
  /** The sessions that are not active when it is asked about them. */
  inactive_sids: string[]
}

/** The features that a guard, or its adapter, may lack. */
export const NEEDS = [
  'logout',
  'stream',
  'private_key_jwt',
  'polling',
  'introspection',
  'sessions',
  'strength',
  'dpop',
  'clock',
  'timers',
] as const
export type Need = (typeof NEEDS)[number]

export interface Case {
  name: string
  /** The fault of a guard that fails the case. */
  why: string
  /** The section of docs/feed.md, and the ids of the rules there that it decides. */
  section: string
  rules?: string[] | undefined
  needs?: Need[]
  /** The steps of the case. Cases without a step `start` share one broker and one guard. */
  steps: Step[]
}

/** The vectors of the kit as they are written in guard/conformance/*.json. */

export type Decision = 'accept' | 'reject' | 'unavailable'
export type LogoutDecision = 'ended' | 'final' | 'again'

/**
 * What differs from the default token of its kind. Times are relative to now; null leaves a claim
 * or a header out.
 */
export interface TokenSpec {
  /** Default: es-1 for access tokens, rs-1 for logout tokens. */
  key?: string
  header?: Record<string, unknown>
  claims?: Record<string, unknown>
  /** Instead of a token, exactly this text. */
  text?: string
  /** A later step with the same name gets the same token once more, not a new one. */
  same?: string
}

export type Step =
  /** `by`: how the guard authenticates, a secret unless given. `poll`: it polls. */
  | { do: 'start'; by?: 'key'; poll?: true; without_lease?: 'introspect' }
  /**
   * `for_ms`: each answer during that time must be an expected one. `for_leases`:
   * in lengths of the lease. `within_ms`: one must be
   * within that time.
   */
  | {
      do: 'check'
      token: TokenSpec
      expect: Decision | Decision[]
      at_once?: boolean
      never?: Decision
      for_ms?: number
      for_leases?: number
      within_ms?: number
    }
  | { do: 'logout'; token: TokenSpec; expect: LogoutDecision | LogoutDecision[]; at_once?: boolean }
  | {
      do: 'revoke'
      seq: number
      selector: Record<string, unknown>
      unsent?: boolean
      /** In how many seconds its entry ends; an hour and a minute unless given. */
      exp_in?: number
      members?: Record<string, unknown>
    }
  /** An event, sent on every open stream, that does not change the log. */
  | { do: 'send'; event: string; id?: string; data: unknown }
  /** Raw pieces of the stream, each written by itself. */
  | { do: 'raw'; pieces: string[] }
  | { do: 'broker'; set: Partial<BrokerState> }
  | { do: 'fill'; count: number }
  | { do: 'cut' }
  | { do: 'live' }
  /** The open streams bring nothing more; streams that are opened later do. */
  | { do: 'hush' }
  /** `resumes: 'nothing'`: without a position. */
  | {
      do: 'expect_connection'
      within_ms?: number
      resumes?: { epoch: string; at_most: number; at_least?: number } | 'nothing'
    }
  /** `answered`: what the fake broker answered to it; 204 unless given. `between`: of a member. */
  | {
      do: 'expect_report'
      epoch: string
      seq: number
      answered?: number
      between?: Record<string, [number, number]>
      members?: Record<string, unknown>
    }
  /**
   * Requests to a path since the last such step: so many come at last; or no more come in `for_ms`.
   */
  | { do: 'expect_requests'; path: string; at_least: number; within_ms?: number }
  | { do: 'expect_requests'; path: string; at_most: number; for_ms: number }

/** What a case may set of the fake broker. */
export interface BrokerState {
  epoch: string
  seq: number
  /** Entries in one snapshot. */
  page: number
  retired_kids: string[]
  jwks: string[]
  /** Answers 503 to everything, and ends the streams. */
  down: boolean
  /** Sends neither events nor heartbeats, and keeps the streams open. */
  silent: boolean
  /** What reports are answered; 0: 204, or 409 where it is due. */
  report_status: number
  /** Holds `live` back. */
  hold_live: boolean
  /** How far its clock is ahead. */
  clock_ahead_seconds: number
  /** What its discovery document says. */
  issuer: string
  /** Takes requests to this path, and never answers them. */
  hangs: string
  /** Answers requests to this path with a redirect to one that gives the same. */
  moved: string
  /** A proxy passes the headers of a stream on, and holds back what follows. */
  buffered: boolean
  /** The content type of streams. */
  type: string
  /** How long before it is written the log was last known, according to a lease. */
  known_ago_ms: number
  /** The line holds back all that it brings for a lease and a quarter. */
  late: boolean
  /** The name of the clock in leases; '': its own. */
  lease_clock: string
  /** Grants none. */
  no_lease: boolean
  /** A request for an anchor is answered by another broker, or as one before it was. */
  clock_answers: '' | 'another clock' | 'another nonce'
  /** Answers 503 to the second page of a poll. */
  last_page_fails: boolean
}

/** What not every guard has. */
export const NEEDS = ['logout', 'stream', 'private_key_jwt', 'polling', 'introspection'] as const
export type Need = (typeof NEEDS)[number]

export interface Case {
  name: string
  /** What a guard that fails it gets wrong. */
  why: string
  /** The section of docs/feed.md. */
  section?: string
  needs?: Need[]
  /** Without a step `start`, it shares one broker and one guard with the other such cases. */
  steps: Step[]
}

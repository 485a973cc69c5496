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
}

export type Step =
  /** `by`: how the guard authenticates, a secret unless given. `poll_seconds`: it polls. */
  | { do: 'start'; by?: 'key'; poll_seconds?: number }
  /** `for_ms`: each answer during that time must be an expected one. */
  | {
      do: 'check'
      token: TokenSpec
      expect: Decision | Decision[]
      at_once?: boolean
      never?: Decision
      for_ms?: number
    }
  | { do: 'logout'; token: TokenSpec; expect: LogoutDecision | LogoutDecision[]; at_once?: boolean }
  | {
      do: 'revoke'
      seq: number
      selector: Record<string, unknown>
      unsent?: boolean
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
  | { do: 'expect_connection'; within_ms?: number; resumes?: { epoch: string; at_most: number } }
  /** `answered`: what the fake broker answered to it; 204 unless given. */
  | { do: 'expect_report'; epoch: string; seq: number; answered?: number }

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
}

/** What not every guard has. */
export const NEEDS = ['logout', 'stream', 'private_key_jwt', 'polling'] as const
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

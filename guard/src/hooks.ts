import type { Why } from './claims.ts'
import type { Entry } from './selector.ts'

/**
 * For logs and metrics of an instance. What a hook throws is dropped: it must not decide whether a
 * token is valid.
 */
export interface GuardHooks {
  /** The feed is up to date: tokens may be accepted. */
  live?(at: { epoch: string; seq: number }): void
  /** The stream ended or broke; `retryMs` is when the guard reconnects. */
  disconnected?(info: { why: string; retryMs: number }): void
  /** The broker's log is another one: its database was restored. */
  reset?(epoch: string): void
  /** A revocation is enforced from now on. */
  enforced?(entry: Entry): void
  /**
   * More revocations than `maxEntries`: tokens authorized before `seq` are rejected until they are
   * refreshed.
   */
  collapsed?(info: { seq: number }): void
  /** The broker has the report of what is enforced. */
  reported?(info: { seq: number; ms: number }): void
  rejected?(info: { why: Why }): void
  /**
   * An operator should look at it; the guard goes on. Never holds a token or a secret. Not given:
   * `console.warn`.
   */
  problem?(error: Error): void
}

type Caller = { [Name in keyof GuardHooks]-?: NonNullable<GuardHooks[Name]> }

export function safely(run: () => void): void {
  try {
    run()
  } catch {
    // Not ours to judge; what it wanted to say, it can log itself.
  }
}

/** @param onProblem gets each problem, before the hook */
export function callHooks(hooks: GuardHooks, onProblem: (error: Error) => void): Caller {
  return {
    live: (at) => safely(() => hooks.live?.(at)),
    disconnected: (info) => safely(() => hooks.disconnected?.(info)),
    reset: (epoch) => safely(() => hooks.reset?.(epoch)),
    enforced: (entry) => safely(() => hooks.enforced?.(entry)),
    collapsed: (info) => safely(() => hooks.collapsed?.(info)),
    reported: (info) => safely(() => hooks.reported?.(info)),
    rejected: (info) => safely(() => hooks.rejected?.(info)),
    problem: (error) => {
      onProblem(error)
      safely(() => hooks.problem?.(error))
    },
  }
}

export type Hooks = Caller

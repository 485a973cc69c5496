import type { Why } from './claims.ts'
import type { Entry } from './selector.ts'

/**
 * Hooks for the logs and metrics of an instance. An error of a hook is dropped, because it must not
 * decide whether a token is valid.
 */
export interface GuardHooks {
  /** The feed is up to date: tokens may be accepted. */
  live?(at: { epoch: string; seq: number }): void
  /** The stream ended or broke; `retryMs` is when the guard reconnects. */
  disconnected?(info: { why: string; retryMs: number }): void
  /** The broker has another log, because its database was restored. */
  reset?(epoch: string): void
  /** A revocation is enforced from now on. */
  enforced?(entry: Entry): void
  /**
   * There are more revocations than `maxEntries`. Tokens authorized before `seq` are rejected until
   * they are refreshed.
   */
  collapsed?(info: { seq: number }): void
  /** The broker has accepted the report of what is enforced. */
  reported?(info: { seq: number; ms: number }): void
  rejected?(info: { why: Why }): void
  /**
   * A problem that an operator should look at. The guard continues. The error never contains a
   * token or a secret. Default: `console.warn`.
   */
  problem?(error: Error): void
}

type Caller = { [Name in keyof GuardHooks]-?: NonNullable<GuardHooks[Name]> }

export function safely(run: () => void): void {
  try {
    run()
  } catch {
    // The instance can log the error itself.
  }
}

/**
 * Returns the hooks so that they never throw.
 * @param onProblem gets each problem before the hook does
 */
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

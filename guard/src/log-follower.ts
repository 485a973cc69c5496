/** The connection of a guard to the broker's log: a stream (`Follower`) or polls (`Poller`). */
export interface LogFollower {
  /** True while the broker answers the last request. */
  readonly connected: boolean
  readonly connects: number
  /** Runs until the guard is stopped. Never rejects. */
  run(): Promise<void>
  /** Asks for everything again, because what is known cannot be trusted. */
  startOver(): void
  /** Asks again for everything, and for what concerns sessions too. Tokens stay valid meanwhile. */
  judgeSessions(): void
  /**
   * Asks from exactly the enforced `seq`, because the broker answered to a report of `position` that
   * its log has not reached it or is another one. Does nothing if the guard follows another log by
   * now.
   */
  doubtLog(position: { epoch: string; seq: number }): void
  /** Takes a new anchor for leases. Never rejects. */
  takeAnchor(): Promise<void>
  /**
   * Learns that the broker has issued something at `seq`, so that it is up and its log is that far.
   */
  catchUpTo(seq: number): void
}

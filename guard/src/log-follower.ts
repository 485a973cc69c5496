/** How a guard learns of the broker's log: by a stream (`Follower`) or by polls (`Poller`). */
export interface LogFollower {
  /** Whether the last thing that was asked of the broker is being answered. */
  readonly connected: boolean
  readonly connects: number
  /** Until it is stopped. Never rejects. */
  run(): Promise<void>
  /** What is known cannot be trusted: ask for everything. */
  startOver(): void
  /**
   * The broker says that its log has not reached what this guard enforces, or is another one: ask
   * exactly from there.
   */
  doubtLog(): void
  /** A new anchor for leases is due. Never rejects. */
  takeAnchor(): Promise<void>
  /** The broker has issued something at `seq`: it is up. */
  catchUpTo(seq: number): void
}

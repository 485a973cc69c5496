import type { allActs } from './acts.ts'
import type { HighWater } from './high-water.ts'
import type { BackupOutcome, BrokerProcess, Committed, DatabaseFacts, Elsewhere } from './types.ts'

/**
 * The store. Each of its acts is one protocol act and one transaction, unless its own description
 * says otherwise. An answer means that its commit is on disk. Refusals are values, because throwing
 * rolls back. Callers never hold a transaction.
 *
 * @throws StoreUnavailable where nothing was written (disk full, closed, too busy): the caller
 * answers 503 and nothing is half done.
 */
export interface Store extends ReturnType<typeof allActs> {
  /**
   * Takes what any act revoked, once its commit is on disk and before the act is answered. A
   * listener returns at once and never throws.
   */
  onRevoked(listener: (committed: readonly Committed[]) => void): void
  /**
   * Tells what other brokers of the same store commit: within a second, mostly at once. The first
   * listener gets at once what was committed since the store was opened, because what a broker has
   * read meanwhile may be older. A store that one broker has alone never calls it.
   */
  onElsewhere(listener: (what: Elsewhere) => void): void
  /**
   * Returns whether a server of this database had issued this number of the log, and failed before
   * another one had it.
   */
  wasLost(seq: number): boolean
  /**
   * Returns how far the log had come at `knownMs`, by this process's `elapsedMs`: all that was
   * acknowledged before is in it. Listeners got what other brokers had committed until then.
   * @param notBeforeMs `knownMs` at least
   */
  knownHead(notBeforeMs: number): Promise<HighWater & { knownMs: number }>
  /**
   * The brokers and workers of this store whose heartbeat is not older than a minute. Empty where a
   * store has one broker alone.
   */
  brokers(): Promise<BrokerProcess[]>
  /** Undefined where a store has one broker alone. */
  databaseFacts(): Promise<DatabaseFacts | undefined>
  /**
   * Reads the whole database for damage, beside the acts that go on. A damaged one refuses every
   * act from then on.
   * @returns what is wrong and what to do; undefined where nothing is
   */
  checkIntegrity(): Promise<string | undefined>
  /**
   * Copies all there is into one new file (0600), as it was at one moment after the call; acts go
   * on meanwhile. Nothing is written over. A second backup waits for the first.
   * @param path absolute, in a directory that is there
   */
  backup(path: string): Promise<BackupOutcome>
  /**
   * How much disk the data takes, in bytes; `walBytes` is what is not yet moved into the main file.
   * 0 where there is no such file.
   */
  size(): Promise<{ bytes: number; walBytes: number }>
  close(): Promise<void>
}

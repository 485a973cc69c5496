import type { allActs } from './acts.ts'
import type { HighWater } from './high-water.ts'
import type { BackupOutcome, BrokerProcess, Committed, DatabaseFacts, Elsewhere } from './types.ts'

/**
 * The store. Each of its acts is one protocol act and one transaction, unless its own description
 * says otherwise. When an act answers, its commit is on disk. Rejections are values, because
 * throwing rolls back. Callers never hold a transaction.
 * @throws StoreUnavailable where nothing was written (disk full, closed, too busy); the caller
 * answers 503
 */
export interface Store extends ReturnType<typeof allActs> {
  /**
   * Calls the listener with what an act revoked, once its commit is on disk and before the act is
   * answered. A listener returns at once and never throws.
   */
  onRevoked(listener: (committed: readonly Committed[]) => void): void
  /**
   * Calls the listener for what other brokers of the same store commit: within a second, mostly at
   * once. The first listener also gets what was committed since the store was opened, because the
   * broker may have read older data meanwhile. A store with a single broker never calls it.
   */
  onElsewhere(listener: (what: Elsewhere) => void): void
  /**
   * Returns whether a server of this database had issued this number of the log, and failed before
   * it was replicated to another.
   */
  wasLost(seq: number): boolean
  /**
   * Returns how far the log had come at `knownMs`, by this process's `elapsedMs`. It includes
   * everything that was acknowledged before. Listeners have got what other brokers had committed
   * until then.
   */
  knownHead(notBeforeMs: number): Promise<HighWater & { knownMs: number }>
  /** The name of this process, random with each start. */
  readonly processId: string
  /**
   * Returns the brokers and workers of this store, and those of the last 30 days that ended without
   * goodbye; empty for a store with a single broker.
   */
  brokers(): Promise<BrokerProcess[]>
  /** Returns facts about the shared database; undefined for a store with a single broker. */
  databaseFacts(): Promise<DatabaseFacts | undefined>
  /**
   * Prepares the statements that no act has used yet, so that no user waits for it, and checks the
   * whole database for damage. Acts go on meanwhile. After damage was found, the store rejects
   * every act.
   * @returns what is wrong and what to do; undefined where the database is intact
   */
  checkIntegrity(): Promise<string | undefined>
  /**
   * Copies the whole database into one new file (0600), as it was at one moment after the call.
   * Acts go on meanwhile. It never overwrites a file. A second backup waits for the first.
   * @param path absolute, in an existing directory
   */
  backup(path: string): Promise<BackupOutcome>
  /**
   * Returns the size of the data on disk in bytes; `walBytes` is the part not yet moved into the
   * main file. 0 where there is no such file.
   */
  size(): Promise<{ bytes: number; walBytes: number }>
  close(): Promise<void>
}

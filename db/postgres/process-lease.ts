import { setTimeout as sleep } from 'node:timers/promises'
import { hashAtSql, type HighWater } from '../high-water.ts'
import { StoreUnavailable, StoreUnconfirmed } from '../types.ts'
import { isSame, SERVER, type Connections, type Server } from './connections.ts'
import type { Position } from './other-brokers.ts'
import { commitOne, readOne, type Connecting } from './transact.ts'

/**
 * The lease under which this broker may answer from what it reads. A broker that is cut off, or
 * whose server is an isolated old primary, would not see what others revoke. So every positive
 * answer needs a commit of this process, replicated as Postgres is configured to, at most a second
 * old. Without one the broker rejects.
 */

/** How long a commit is valid, from before it was requested. */
const VALID_MS = 1_000
/**
 * The longest time that another broker can hold the lease, by a monotonic clock: its duration, two
 * steps of its clock, and 1,000 ppm of drift.
 */
export const OVER_MS = VALID_MS + 30
const RENEW_MS = 350
/**
 * How long a request waits for a renewal. A busy server answers late, and one that is cut off
 * never.
 */
const PATIENCE_MS = 3_000

interface Process {
  id: string
  kind: string
  work: string
  host: string
  version: string
}

interface LeaseOptions {
  connections: Connections
  process: Process
  nowMs(): number
  /** A clock that also counts the time in which the machine was suspended. */
  elapsedMs(): number
  /** Returns the furthest known point of the log. */
  reached(): HighWater
  /**
   * Returns whether the log is taken over on this server. It may take it over itself.
   * @param found the server, its head of the log, and the hash of its chain at `before`
   * @param before the answer of `reached` when the server was asked
   */
  follows(
    found: Server & HighWater & { hashAt: string | null },
    before: HighWater,
  ): Promise<boolean>
  /** Called by each renewal with the position of the log and of the registry. */
  seen(position: Position & HighWater): void
  /**
   * Called when the lease has expired: nothing may be answered, and no guard kept fresh, until it
   * is valid again.
   */
  lost(): void
  /** Called when the lease is valid again, after `seen` got what changed meanwhile. */
  returned(): void
  /** True to reject acts while no standby confirms commits. */
  standbyRequired: boolean
}

/** How long the rows of killed brokers are kept: operators see for so long that one is missing. */
const GONE_MS = 30 * 86_400_000
/** How long a renewal may take: a primary that is cut off from its standby never confirms it. */
const ANSWER_MS = 2_000

// Writes one row of this process, so that a renewal waits for no other process. It reads the hash
// of the chain at its head, and at the furthest known point: numbers alone do not show that a
// volume was put back.
const RENEWAL = `WITH gone AS (DELETE FROM processes WHERE id IN
    (SELECT id FROM processes WHERE seen_at_ms < $6::bigint - ${GONE_MS} AND id <> $1 LIMIT 100 FOR UPDATE SKIP LOCKED))
  INSERT INTO processes AS p (id, kind, work, host, version, started_at_ms, seen_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $6)
  ON CONFLICT (id) DO UPDATE SET seen_at_ms = excluded.seen_at_ms
  RETURNING (SELECT epoch FROM log_head) AS epoch, (SELECT seq FROM log_head) AS seq, (SELECT hash FROM chain_heads WHERE log = 'revocations') AS hash,
    ${hashAtSql('$7::bigint')} AS "hashAt", coalesce((SELECT version FROM registry), 0) AS version, pg_is_in_recovery() AS recovering,
    pg_current_wal_insert_lsn()::text AS lsn,
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS "seesStandbys", quote_ident(current_user) AS role, ${SERVER}`

// Tests whether a standby has what this renewal wrote, so that it follows no other primary.
// Postgres may release waiting commits without one.
const FLUSHED = `SELECT EXISTS (SELECT FROM pg_stat_replication
    WHERE sync_state IN ('sync', 'quorum') AND flush_lsn >= $1::pg_lsn) AS flushed, ${SERVER}`

interface Renewed extends Position, Server {
  hash: string | null
  hashAt: string | null
  recovering: boolean
  /** The position of Postgres's own log, once it held this renewal. */
  lsn: string
  /** Without the right, `pg_stat_replication` hides the state of standbys from the role. */
  seesStandbys: boolean
  role: string
}

export class Lease {
  readonly #options: LeaseOptions
  readonly #latest: Connecting
  readonly #timer: NodeJS.Timeout
  /** When the latest valid renewal began, how far the log had come, and `#doubts` at that time. */
  #known = { epoch: '', seq: 0, knownMs: -Infinity, doubts: 0 }
  /** How often a connection has ended. Only a renewal that began after the last time counts. */
  #doubts = 0
  #wasHeld = false
  #renewal: Promise<void> | undefined
  #stopped = false
  /** The error of the latest renewal. */
  #cause: unknown
  /** Why the latest renewal that was answered did not count. */
  #missing: string | undefined

  constructor(options: LeaseOptions) {
    const { connections } = options
    this.#options = options
    this.#latest = { connect: () => connections.connectAny(), drop: () => connections.drop() }
    this.#timer = setInterval(() => this.look(), RENEW_MS)
    this.#timer.unref()
  }

  /**
   * Waits for a renewal where the lease has expired.
   * @throws StoreUnavailable
   */
  mustHold(): void | Promise<void> {
    return this.#holds() ? undefined : this.#mustHoldNow()
  }

  /**
   * Waits for a renewal that began at this time or later.
   * @throws StoreUnavailable
   */
  async known(notBeforeMs: number): Promise<HighWater & { knownMs: number }> {
    if (!this.#holds(notBeforeMs)) await this.#mustHoldNow(notBeforeMs)
    return this.#known
  }

  async stop(): Promise<void> {
    const { connections, process } = this.#options
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#renewal
    await connections
      .query('DELETE FROM processes WHERE id = $1', [process.id])
      .catch(() => undefined)
  }

  #holds(notBeforeMs = -Infinity): boolean {
    const { knownMs, doubts } = this.#known
    return doubts === this.#doubts && knownMs >= notBeforeMs && this.#isRunning()
  }

  #isRunning(): boolean {
    const passedMs = this.#options.elapsedMs() - this.#known.knownMs
    // A clock that went back shows less than has passed.
    return !this.#stopped && passedMs >= 0 && passedMs < VALID_MS
  }

  async #mustHoldNow(notBeforeMs?: number): Promise<void> {
    const late = sleep(PATIENCE_MS, undefined, { ref: false })
    // The renewal under way may have begun too long ago to be valid, so one more is tried.
    for (let turn = 0; turn < 2 && !this.#holds(notBeforeMs); turn++)
      await Promise.race([this.#renewed(), late])
    if (this.#holds(notBeforeMs)) return
    const problem = this.#options.connections.problem ?? this.#missing
    const because = { cause: this.#cause }
    throw problem === undefined
      ? new StoreUnconfirmed(UNCONFIRMED, because)
      : new StoreUnavailable(problem, because)
  }

  /** Renews the lease now. */
  look(): void {
    this.#noteLapse()
    void this.#renewed()
  }

  /**
   * Requires a new renewal before anything is answered, because a connection to the server has
   * ended: when the server is back, its volume may be an earlier one.
   */
  doubt(): void {
    this.#doubts++
    this.look()
  }

  #noteLapse(): void {
    if (!this.#wasHeld || this.#isRunning()) return
    this.#wasHeld = false
    this.#options.lost()
  }

  /** Returns the renewal under way, or starts one: only one runs at a time. */
  #renewed(): Promise<void> {
    this.#renewal ??= this.#renew()
      .then(
        () => void (this.#cause = undefined),
        (error: unknown) => void (this.#cause = error),
      )
      .finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  async #renew(): Promise<void> {
    const {
      process: own,
      nowMs,
      elapsedMs,
      reached,
      follows,
      seen,
      returned,
      standbyRequired,
    } = this.#options
    const [begun, before, doubts] = [elapsedMs(), reached(), this.#doubts]
    const { id, kind, work, host, version } = own
    const row = await this.#written([id, kind, work, host, version, nowMs(), before.seq])
    this.#missing = standbyRequired && row?.seesStandbys === false ? unseen(row.role) : undefined
    if (row === undefined || row.recovering || (standbyRequired && !(await this.#flushed(row))))
      return
    if (!(await follows(row, before))) return
    // A process that was suspended may renew before its timer has noticed the lapse.
    this.#noteLapse()
    const isBack = !this.#wasHeld
    this.#known = { epoch: row.epoch, seq: row.seq, knownMs: begun, doubts }
    this.#wasHeld = true
    // Both run in one turn of the event loop, so that no request runs between them.
    seen({ epoch: row.epoch, seq: row.seq, hash: row.hash, version: row.version })
    if (isBack) returned()
  }

  /** Returns whether a synchronous standby has what the renewal wrote. */
  async #flushed(renewed: Renewed): Promise<boolean> {
    const [found] = (await readOne(this.#latest, {
      name: 'flushed',
      text: FLUSHED,
      values: [renewed.lsn],
      query_timeout: ANSWER_MS,
    })) as (Server & { flushed: boolean })[]
    return found !== undefined && found.flushed && isSame(found, renewed)
  }

  async #written(values: unknown[]): Promise<Renewed | undefined> {
    const { connections } = this.#options
    const { address } = connections
    try {
      const [row] = await commitOne(this.#latest, {
        name: 'renew',
        text: RENEWAL,
        values,
        query_timeout: ANSWER_MS,
      })
      return row as Renewed | undefined
    } catch (error) {
      this.#doubts++
      connections.passOver(address)
      throw error
    }
  }
}

const UNCONFIRMED =
  'Postgres has confirmed no commit of this broker within a second, so nothing is answered from it. Check that the primary runs, and that its synchronous standby answers.'

const unseen = (role: string): string =>
  `BROKER_DATABASE_STANDBY is required, and the role ${role} may not see whether a standby confirms commits, so nothing is answered. As a superuser: GRANT pg_read_all_stats TO ${role}.`

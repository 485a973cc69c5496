import type { Pool } from 'pg'
import { StoreUnavailable } from '../store.ts'

/**
 * Whether this broker may answer from what it reads. A broker that is cut off, or whose server is an isolated old primary, would not see what
 * others revoke: so every positive answer needs a commit of its own that was replicated at most a second ago. It refuses where there is none.
 */

/** How long a commit counts, from before it was asked for. */
const VALID_MS = 1_000
const RENEW_MS = 350

export interface Lease {
  /** Whether it holds now, without asking. */
  holds(): boolean
  /** Waits for a renewal where it has run out. @throws StoreUnavailable */
  mustHold(): void | Promise<void>
  stop(): void
}

export function createLease({ pool, steadyMs }: { pool: Pool; steadyMs: () => number }): Lease {
  let until = -Infinity
  let renewal: Promise<void> | undefined
  let stopped = false

  const renew = async (): Promise<void> => {
    const begun = steadyMs()
    const { rows } = await pool.query<{ recovering: boolean }>(RENEWAL)
    if (rows[0]?.recovering === false) until = begun + VALID_MS
  }
  /** One at a time, whoever asks. */
  const renewed = (): Promise<void> => {
    renewal ??= renew()
      .catch(() => undefined)
      .finally(() => (renewal = undefined))
    return renewal
  }
  const timer = setInterval(() => void renewed(), RENEW_MS)
  timer.unref()
  const holds = (): boolean => !stopped && steadyMs() < until
  return {
    holds,
    mustHold() {
      if (holds()) return
      return renewed().then(() => {
        if (!holds())
          throw new StoreUnavailable('The database has not confirmed a commit of this broker within a second: nothing is answered from it.')
      })
    },
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}

const RENEWAL = `SELECT pg_is_in_recovery() AS recovering`

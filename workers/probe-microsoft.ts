import { LEASE_MS } from '../db/engine/lease.ts'
import type { ProbeDue, ProbeTaken, Session } from '../db/types.ts'
import type { Deps } from './deps.ts'
import { probePause } from '../src/microsoft/probe-pause.ts'
import { createProbeAlarm, probeSession } from '../src/signals/received/probe-session.ts'
import { allEnded } from '../src/runtime/concurrency.ts'

/**
 * Probes every live session at Microsoft once in each round. A session has a fixed place, and a
 * cursor advances through the places with the time. So the load is even, a restart continues at the
 * current time, and probes missed during an outage are spread over the next round. The cursor is in
 * the store, so that only one of several brokers probes each session. While Microsoft has problems,
 * the probe backs off. A paused tenant is asked on as ever: its pause holds back certain answers,
 * and never one about an account.
 */

const PLACES = 65_536
const CONCURRENCY = 16
/**
 * The most probes per second of one broker: enough for 90,000 sessions in 15 minutes, and few
 * enough that Microsoft does not throttle the application.
 */
const PER_SECOND = 100
const LEAST_BACK_OFF_MS = 5_000
const MOST_BACK_OFF_MS = 300_000
/** The longest time for which a late turn makes up. */
const MOST_SECONDS_A_TURN = 10
/** The most requested sessions of a tenant. */
const MOST_WANTED = 5_000

interface Lane {
  /** The time at which this broker began to probe, or was last unable to. */
  begunMs: number
  /** Sessions to probe out of turn, by `sid`. */
  wanted: Set<string>
  /** The number of consecutive problems at Microsoft. */
  troubles: number
  /** The end of the backoff by the steady clock, before which no session is probed. */
  untilMs: number
  paused: boolean
}

export class Probing {
  readonly #deps: Deps
  readonly #going: () => boolean
  readonly #everySeconds: number
  readonly #perSecond: number
  readonly #alarm = createProbeAlarm()
  readonly #lanes = new Map<string, Lane>()
  readonly #running = new Set<string>()
  #lastMs: number

  constructor(deps: Deps, going: () => boolean = () => true, perSecond = PER_SECOND) {
    this.#deps = deps
    this.#going = going
    this.#everySeconds = deps.config.signals.probeEverySeconds
    this.#perSecond = perSecond
    this.#lastMs = deps.clock.nowMs() - 1000
    for (const tid of deps.connection.current().tenants) this.#laneOf(tid, deps.clock.nowMs())
  }

  /** Probes the sessions that have become due since the last turn, and those requested. */
  async turn(): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const seconds = Math.min(Math.max((nowMs - this.#lastMs) / 1000, 0), MOST_SECONDS_A_TURN)
    // The clock was set back: the cursor may be where the time comes only later.
    if (nowMs < this.#lastMs) for (const lane of this.#lanes.values()) lane.begunMs = nowMs
    this.#lastMs = nowMs
    const { tenants } = this.#deps.connection.current()
    const allowance = Math.max(
      1,
      Math.floor((this.#perSecond * seconds) / Math.max(1, tenants.length)),
    )
    await allEnded(tenants.map((tid) => this.#turnOf(tid, allowance)))
  }

  /**
   * Called when a session was refreshed. If it has not been vouched for in more than a round, it is
   * probed in the next turn.
   */
  refreshed({ sid, user, probedAt }: Session): void {
    const { clock } = this.#deps
    if (this.#everySeconds === 0) return
    // The tolerance covers a cursor that is a little late.
    if (clock.now() - probedAt <= this.#everySeconds + Math.min(60, this.#everySeconds / 10)) return
    const lane = this.#laneOf(user.tid, clock.nowMs())
    // A policy that masks the answers would have each refresh ask again, beyond the round.
    if (!lane.paused) want(sid, lane)
  }

  #placeAt(nowMs: number): number {
    return Math.floor((nowMs * PLACES) / (this.#everySeconds * 1000))
  }

  #laneOf(tid: string, nowMs: number): Lane {
    const lane = this.#lanes.get(tid) ?? {
      begunMs: nowMs,
      wanted: new Set<string>(),
      troubles: 0,
      untilMs: 0,
      paused: false,
    }
    this.#lanes.set(tid, lane)
    return lane
  }

  async #turnOf(tid: string, allowance: number): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const lane = this.#laneOf(tid, nowMs)
    await this.#readPause(tid, lane)
    if (lane.untilMs > this.#deps.clock.steadyMs()) {
      lane.begunMs = nowMs
      return
    }
    // After a problem a single probe tests whether Microsoft works again.
    const limit = lane.troubles > 0 ? 1 : allowance
    const wanted = [...lane.wanted].slice(0, Math.ceil(limit / 2))
    const asked = await this.#find(wanted)
    const taken =
      limit > asked.length ? await this.#take(tid, lane, nowMs, limit - asked.length) : undefined
    // Removed only now, so that sessions which the store could not read are still requested in the
    // next turn.
    for (const sid of wanted) lane.wanted.delete(sid)
    await inParallel([...asked, ...(taken?.due ?? [])], CONCURRENCY, (probeDue) =>
      this.#probe(tid, lane, probeDue),
    )
    if (taken !== undefined && this.#going()) await this.#deps.store.finishProbes(taken.id)
  }

  /** Restarts the counting of the alarm once an operator has resumed the probe. */
  async #readPause(tid: string, lane: Lane): Promise<void> {
    const paused = (await probePause(this.#deps.store, tid)) !== undefined
    if (lane.paused && !paused) this.#alarm.reset(tid)
    lane.paused = paused
  }

  /** Leases the next sessions up to the cursor, at most `limit`, for this broker. */
  #take(
    tid: string,
    { begunMs }: Lane,
    nowMs: number,
    limit: number,
  ): Promise<ProbeTaken | undefined> {
    const begun = { place: this.#placeAt(begunMs), atMs: begunMs }
    const untilMs = nowMs + LEASE_MS.microsoft
    return this.#deps.store.takeProbes({
      tid,
      begun,
      end: this.#placeAt(nowMs),
      limit,
      now: this.#deps.clock.now(),
      nowMs,
      untilMs,
    })
  }

  async #find(sids: readonly string[]): Promise<ProbeDue[]> {
    const found = await Promise.all(
      sids.map((sid) => this.#deps.store.findProbe(sid, this.#deps.clock.now())),
    )
    return found.filter((probeDue) => probeDue !== undefined)
  }

  async #probe(tid: string, lane: Lane, due: ProbeDue): Promise<void> {
    if (this.#running.has(due.sid) || !this.#going()) return
    if (lane.untilMs > this.#deps.clock.steadyMs()) return want(due.sid, lane)
    this.#running.add(due.sid)
    try {
      const probed = await probeSession(this.#deps, due, this.#alarm)
      if (probed.kind === 'trouble')
        return this.#backOff(tid, lane, probed.guidance, probed.retryAfterSeconds)
      if (probed.kind === 'answered') lane.troubles = 0
      if (probed.kind === 'answered') for (const sid of probed.look) want(sid, lane)
    } catch (error) {
      this.#deps.metrics.signals.inc({ kind: 'probe', outcome: 'failed' })
      this.#deps.log.error('probe_failed', { sid: due.sid, cause: error })
    } finally {
      this.#running.delete(due.sid)
    }
  }

  #backOff(tid: string, lane: Lane, guidance: string, retryAfterSeconds: number | undefined): void {
    const nowMs = this.#deps.clock.steadyMs()
    // Concurrent probes report the same problem, which counts once.
    if (lane.untilMs > nowMs) return
    const backOff = Math.min(LEAST_BACK_OFF_MS * 2 ** Math.min(lane.troubles, 10), MOST_BACK_OFF_MS)
    lane.untilMs = nowMs + Math.max(backOff, (retryAfterSeconds ?? 0) * 1000)
    if (lane.troubles++ === 0)
      this.#deps.log.warn('probe_backs_off', { tid, guidance, meaning: 'This signs no user out.' })
  }
}

function want(sid: string, { wanted }: Lane): void {
  if (wanted.size < MOST_WANTED) wanted.add(sid)
}

async function inParallel<T>(
  items: readonly T[],
  most: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values()
  const worker = async (): Promise<void> => {
    for (const item of rest) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
}

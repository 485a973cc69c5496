import type { ProbeDue, Session } from '../db/types.ts'
import type { Deps } from '../src/deps.ts'
import { probePause } from '../src/microsoft/probe-pause.ts'
import { createProbeAlarm } from '../src/signal/alarm.ts'
import { probeSession } from '../src/signal/probe-session.ts'

/**
 * Asks Microsoft about every live session once in so many minutes. Each session has its place in the round for life, and a hand goes round like
 * a clock's: so the load is even, a restart goes on where the time is, and what an outage kept from being asked is asked in the next round
 * and not all at once. It refuses to go on asking a Microsoft that is not well.
 */

const PLACES = 65_536
const CONCURRENCY = 16
const LEAST_BACK_OFF_MS = 5_000
const MOST_BACK_OFF_MS = 300_000
/** A turn that comes late does not make up for more than this. */
const MOST_SECONDS_A_TURN = 10
/** What a back-off kept from being asked is made up for, if the hand is no further behind: else the same session would hide the same others each round. */
const MOST_BEHIND_MS = 60_000
/** Of each tenant. */
const MOST_WANTED = 5_000

/** How far the hand of one tenant has come: in places since the epoch, and in the order of sid within a place. */
interface Hand {
  place: number
  sid: string
}

interface Lane {
  hand: Hand
  /** Asked for by name. */
  wanted: Set<string>
  /** In a row. */
  troubles: number
  /** Nobody is asked before. */
  untilMs: number
  paused: boolean
}

export interface Probing {
  /** What is due since the last turn, and what was wanted. */
  turn(): Promise<void>
  /** A session was refreshed: if it has not been vouched for in more than a round, it is looked at now. */
  refreshed(session: Session): void
}

export function createProbing(deps: Deps, going: () => boolean = () => true): Probing {
  const round = new ProbeRound(deps, going)
  return { turn: () => round.turn(), refreshed: (session) => round.refreshed(session) }
}

class ProbeRound implements Probing {
  readonly #deps: Deps
  readonly #going: () => boolean
  readonly #everySeconds: number
  readonly #perSecond: number
  readonly #alarm = createProbeAlarm()
  readonly #lanes = new Map<string, Lane>()
  readonly #running = new Set<string>()
  #lastMs: number

  constructor(deps: Deps, going: () => boolean) {
    const { everySeconds, perSecond } = deps.config.signals.probe
    this.#deps = deps
    this.#going = going
    this.#everySeconds = everySeconds
    this.#perSecond = perSecond
    this.#lastMs = deps.clock.nowMs() - 1000
    for (const tid of deps.connection.current().tenants) this.#laneOf(tid, deps.clock.nowMs())
  }

  async turn(): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const seconds = Math.min(Math.max((nowMs - this.#lastMs) / 1000, 0), MOST_SECONDS_A_TURN)
    this.#lastMs = nowMs
    const { tenants } = this.#deps.connection.current()
    const allowance = Math.max(1, Math.floor((this.#perSecond * seconds) / Math.max(1, tenants.length)))
    await Promise.all(tenants.map((tid) => this.#turnOf(tid, allowance)))
  }

  refreshed({ sid, user, probedAt }: Session): void {
    const { clock } = this.#deps
    if (this.#everySeconds === 0 || probedAt === undefined) return
    // The hand itself comes a little late now and then.
    if (clock.now() - probedAt <= this.#everySeconds + Math.min(60, this.#everySeconds / 10)) return
    want(sid, this.#laneOf(user.tid, clock.nowMs()))
  }

  #placeAt(nowMs: number): number {
    return Math.floor((nowMs * PLACES) / (this.#everySeconds * 1000))
  }

  #handAt(nowMs: number): Hand {
    return { place: this.#placeAt(nowMs), sid: '' }
  }

  #laneOf(tid: string, nowMs: number): Lane {
    const lane = this.#lanes.get(tid) ?? { hand: this.#handAt(nowMs), wanted: new Set<string>(), troubles: 0, untilMs: 0, paused: false }
    this.#lanes.set(tid, lane)
    return lane
  }

  async #turnOf(tid: string, allowance: number): Promise<void> {
    const nowMs = this.#deps.clock.nowMs()
    const lane = this.#laneOf(tid, nowMs)
    if (!(await this.#mayAsk(tid, lane))) {
      if (lane.paused || this.#placeAt(nowMs) - lane.hand.place > this.#placeAt(MOST_BEHIND_MS)) lane.hand = this.#handAt(nowMs)
      return
    }
    // After trouble, one asks for all.
    const limit = lane.troubles > 0 ? 1 : allowance
    const asked = await this.#takeWanted(lane, Math.ceil(limit / 2))
    const due = limit > asked.length ? await this.#take(tid, lane, nowMs, limit - asked.length) : []
    await inParallel([...asked, ...due], CONCURRENCY, (one) => this.#probe(tid, lane, one))
  }

  /** An alarm is raised until an operator lets it go on; then counting begins anew. */
  async #mayAsk(tid: string, lane: Lane): Promise<boolean> {
    const paused = (await probePause(this.#deps.store, tid)) !== undefined
    if (lane.paused && !paused) this.#alarm.reset(tid)
    lane.paused = paused
    return !paused && lane.untilMs <= this.#deps.clock.nowMs()
  }

  /** The next sessions beneath the hand, at most `limit`. The hand stops at the last of them. */
  async #take(tid: string, lane: Lane, nowMs: number, limit: number): Promise<ProbeDue[]> {
    const end = this.#placeAt(nowMs)
    let { place, sid } = end - lane.hand.place > PLACES ? { place: end - PLACES, sid: '' } : lane.hand
    const due: ProbeDue[] = []
    while (place < end && due.length < limit) {
      const phase = place % PLACES
      const before = Math.min(phase + end - place, PLACES)
      const room = limit - due.length
      const found = await this.#deps.store.dueProbes({ tid, after: { phase, sid }, before, limit: room, now: this.#deps.clock.now() })
      due.push(...found)
      const last = found.at(-1)
      const all = found.length < room || last === undefined
      place += (all ? before : last.phase) - phase
      sid = all ? '' : last.sid
    }
    lane.hand = { place, sid }
    return due
  }

  async #takeWanted({ wanted }: Lane, limit: number): Promise<ProbeDue[]> {
    const mine = [...wanted].slice(0, limit)
    for (const sid of mine) wanted.delete(sid)
    const found = await Promise.all(mine.map((sid) => this.#deps.store.findProbe(sid, this.#deps.clock.now())))
    return found.filter((one) => one !== undefined)
  }

  async #probe(tid: string, lane: Lane, due: ProbeDue): Promise<void> {
    if (this.#running.has(due.sid) || !this.#going()) return
    if (lane.untilMs > this.#deps.clock.nowMs()) return want(due.sid, lane)
    this.#running.add(due.sid)
    try {
      const probed = await probeSession(this.#deps, due, this.#alarm)
      if (probed.kind === 'trouble') return this.#backOff(tid, lane, probed.guidance, probed.retryAfterSeconds)
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
    const nowMs = this.#deps.clock.nowMs()
    // Others that were under way say the same: once is enough.
    if (lane.untilMs > nowMs) return
    const backOff = Math.min(LEAST_BACK_OFF_MS * 2 ** Math.min(lane.troubles, 10), MOST_BACK_OFF_MS)
    lane.untilMs = nowMs + Math.max(backOff, (retryAfterSeconds ?? 0) * 1000)
    if (lane.troubles++ === 0) this.#deps.log.warn('probe_backs_off', { tid, guidance, meaning: 'Nobody is signed out by this.' })
  }
}

function want(sid: string, { wanted }: Lane): void {
  if (wanted.size < MOST_WANTED) wanted.add(sid)
}

async function inParallel<T>(items: readonly T[], most: number, act: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  const worker = async (): Promise<void> => {
    for (const item of rest) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
}

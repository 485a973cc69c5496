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
  const { everySeconds, perSecond } = deps.config.signals.probe
  const alarm = createProbeAlarm()
  const lanes = new Map<string, Lane>()
  const running = new Set<string>()
  let lastMs = deps.clock.nowMs() - 1000

  const placeAt = (nowMs: number): number => Math.floor((nowMs * PLACES) / (everySeconds * 1000))
  const handAt = (nowMs: number): Hand => ({ place: placeAt(nowMs), sid: '' })
  const laneOf = (tid: string, nowMs: number): Lane => {
    const lane = lanes.get(tid) ?? { hand: handAt(nowMs), wanted: new Set<string>(), troubles: 0, untilMs: 0, paused: false }
    lanes.set(tid, lane)
    return lane
  }

  for (const tid of deps.connection.current().tenants) laneOf(tid, deps.clock.nowMs())

  /** The next sessions beneath the hand, at most `limit`. The hand stops at the last of them. */
  const take = async (tid: string, lane: Lane, nowMs: number, limit: number): Promise<ProbeDue[]> => {
    const end = placeAt(nowMs)
    let { place, sid } = end - lane.hand.place > PLACES ? { place: end - PLACES, sid: '' } : lane.hand
    const due: ProbeDue[] = []
    while (place < end && due.length < limit) {
      const phase = place % PLACES
      const before = Math.min(phase + end - place, PLACES)
      const room = limit - due.length
      const found = await deps.store.dueProbes({ tid, after: { phase, sid }, before, limit: room, now: deps.clock.now() })
      due.push(...found)
      const last = found.at(-1)
      const all = found.length < room || last === undefined
      place += (all ? before : last.phase) - phase
      sid = all ? '' : last.sid
    }
    lane.hand = { place, sid }
    return due
  }

  const takeWanted = async ({ wanted }: Lane, limit: number): Promise<ProbeDue[]> => {
    const mine = [...wanted].slice(0, limit)
    for (const sid of mine) wanted.delete(sid)
    const found = await Promise.all(mine.map((sid) => deps.store.findProbe(sid, deps.clock.now())))
    return found.filter((one) => one !== undefined)
  }

  const trouble = (tid: string, lane: Lane, guidance: string, retryAfterSeconds: number | undefined): void => {
    const nowMs = deps.clock.nowMs()
    // Others that were under way say the same: once is enough.
    if (lane.untilMs > nowMs) return
    const backOff = Math.min(LEAST_BACK_OFF_MS * 2 ** Math.min(lane.troubles, 10), MOST_BACK_OFF_MS)
    lane.untilMs = nowMs + Math.max(backOff, (retryAfterSeconds ?? 0) * 1000)
    if (lane.troubles++ === 0) deps.log.warn('probe_backs_off', { tid, guidance, meaning: 'Nobody is signed out by this.' })
  }

  const probe = async (tid: string, lane: Lane, due: ProbeDue): Promise<void> => {
    if (running.has(due.sid) || !going()) return
    if (lane.untilMs > deps.clock.nowMs()) return want(due.sid, lane)
    running.add(due.sid)
    try {
      const probed = await probeSession(deps, due, alarm)
      if (probed.kind === 'trouble') return trouble(tid, lane, probed.guidance, probed.retryAfterSeconds)
      if (probed.kind === 'answered') lane.troubles = 0
      if (probed.kind === 'answered') for (const sid of probed.look) want(sid, lane)
    } catch (error) {
      deps.metrics.signals.inc({ kind: 'probe', outcome: 'failed' })
      deps.log.error('probe_failed', { sid: due.sid, cause: error })
    } finally {
      running.delete(due.sid)
    }
  }

  const want = (sid: string, { wanted }: Lane): void => {
    if (wanted.size < MOST_WANTED) wanted.add(sid)
  }

  /** An alarm is raised until an operator lets it go on; then counting begins anew. */
  const mayAsk = async (tid: string, lane: Lane): Promise<boolean> => {
    const paused = (await probePause(deps.store, tid)) !== undefined
    if (lane.paused && !paused) alarm.reset(tid)
    lane.paused = paused
    return !paused && lane.untilMs <= deps.clock.nowMs()
  }

  const turnOf = async (tid: string, allowance: number): Promise<void> => {
    const nowMs = deps.clock.nowMs()
    const lane = laneOf(tid, nowMs)
    if (!(await mayAsk(tid, lane))) {
      if (lane.paused || placeAt(nowMs) - lane.hand.place > placeAt(MOST_BEHIND_MS)) lane.hand = handAt(nowMs)
      return
    }
    // After trouble, one asks for all.
    const limit = lane.troubles > 0 ? 1 : allowance
    const asked = await takeWanted(lane, Math.ceil(limit / 2))
    const due = limit > asked.length ? await take(tid, lane, nowMs, limit - asked.length) : []
    await inParallel([...asked, ...due], CONCURRENCY, (one) => probe(tid, lane, one))
  }

  return {
    async turn() {
      const nowMs = deps.clock.nowMs()
      const seconds = Math.min(Math.max((nowMs - lastMs) / 1000, 0), MOST_SECONDS_A_TURN)
      lastMs = nowMs
      const { tenants } = deps.connection.current()
      const allowance = Math.max(1, Math.floor((perSecond * seconds) / Math.max(1, tenants.length)))
      await Promise.all(tenants.map((tid) => turnOf(tid, allowance)))
    },
    refreshed({ sid, user, probedAt }) {
      if (everySeconds === 0 || probedAt === undefined) return
      // The hand itself comes a little late now and then.
      if (deps.clock.now() - probedAt > everySeconds + Math.min(60, everySeconds / 10)) want(sid, laneOf(user.tid, deps.clock.nowMs()))
    },
  }
}

async function inParallel<T>(items: readonly T[], most: number, act: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values()
  const worker = async (): Promise<void> => {
    for (const item of rest) await act(item)
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
}

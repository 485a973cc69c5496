import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FeedReader } from '../../guard/src/feed-reader.ts'
import { callHooks } from '../../guard/src/hooks.ts'
import type { KeySet } from '../../guard/src/keys.ts'
import { Lease } from '../../guard/src/lease.ts'
import { Ledger } from '../../guard/src/ledger.ts'

/**
 * The claim: no token is accepted in a check that begins later than the lease after its revocation
 * was acknowledged, whatever delays, cuts off or stops what the broker sends. Time is simulated; the
 * guard's lease, ledger and reader of the feed are the real ones.
 */

interface Event {
  name: string
  data: Record<string, unknown>
  id?: string
}

const DRIFT = 0.0004
const HEARTBEATS = 4

/** A broker: its log, and a clock of its own, which gains or loses and starts anywhere. */
class Broker {
  seq = 100
  clockName = 'clock-0'
  paused = false
  readonly revoked: { sid: string; seq: number; atMs: number }[] = []
  /** The revocations that the guard may not enforce yet. */
  readonly open = new Set<{ sid: string; atMs: number }>()
  readonly rate: number
  startMs: number
  readonly seconds: number
  constructor({ brokerRate, startMs, seconds }: Run) {
    this.rate = brokerRate
    this.startMs = startMs
    this.seconds = seconds
  }
  clock(nowMs: number): number {
    // The clock goes in steps of 10 ms.
    return Math.floor((this.startMs + nowMs * this.rate) / 10) * 10
  }
  lease(knownMs: number): Event {
    const { clockName: clock, seconds, seq } = this
    return { name: 'lease', data: { clock, known_ms: knownMs, seconds, seq } }
  }
}

/**
 * A connection that delivers in order, as TCP does. Each piece has the delay of the run, until the
 * line is cut.
 */
class Line {
  readonly #waiting: { atMs: number; event: Event }[] = []
  #lastMs = 0
  cut = false
  send(event: Event, nowMs: number, delayMs: number): void {
    if (this.cut) return
    this.#lastMs = Math.max(this.#lastMs, nowMs + delayMs)
    this.#waiting.push({ atMs: this.#lastMs, event })
  }
  arrived(nowMs: number): Event[] {
    const due = this.#waiting.findIndex(({ atMs }) => atMs > nowMs)
    return this.#waiting
      .splice(0, due === -1 ? this.#waiting.length : due)
      .map((sent) => sent.event)
  }
}

interface Step {
  ms: number
  delayMs: number
  act: 'revoke' | 'worst' | 'cut' | 'reconnect' | 'restart' | 'pause' | 'suspend' | 'nothing'
}

const step: fc.Arbitrary<Step> = fc.record({
  ms: fc.oneof(fc.integer({ min: 10, max: 400 }), fc.integer({ min: 10, max: 3_000 })),
  delayMs: fc.oneof(
    { arbitrary: fc.integer({ min: 0, max: 50 }), weight: 3 },
    { arbitrary: fc.integer({ min: 0, max: 30_000 }), weight: 1 },
  ),
  act: fc.constantFrom(
    ...(['revoke', 'revoke', 'revoke', 'nothing', 'nothing', 'nothing'] as const),
    ...([
      'worst',
      'worst',
      'cut',
      'reconnect',
      'reconnect',
      'restart',
      'pause',
      'suspend',
    ] as const),
  ),
})

interface Run {
  steps: Step[]
  seconds: number
  brokerRate: number
  guardRate: number
  startMs: number
}

const run: fc.Arbitrary<Run> = fc.record({
  steps: fc.array(step, { minLength: 10, maxLength: 60 }),
  seconds: fc.constantFrom(1, 5, 30),
  brokerRate: fc.double({ min: 1 - DRIFT, max: 1 + DRIFT, noNaN: true }),
  guardRate: fc.double({ min: 1 - DRIFT, max: 1 + DRIFT, noNaN: true }),
  startMs: fc.integer({ min: 0, max: 1e9 }),
})

/**
 * Plays a run. Returns the number of accepted tokens, and the longest time from the acknowledgment
 * of a revocation to the begin of a check that accepted its token.
 */
function play(given: Run): { latest: number; accepted: number } {
  const { steps, seconds, guardRate } = given
  let nowMs = 0
  const broker = new Broker(given)
  const guardMs = (): number => Math.floor((nowMs * guardRate) / 10) * 10
  const clock = { nowMs: guardMs, monotonicMs: guardMs, elapsedMs: guardMs, after: () => () => {} }
  const lease = new Lease(clock, () => {})
  const ledger = new Ledger(10_000)
  const keys = { refresh: async () => {}, retire: () => {} } as unknown as KeySet
  const feed = new FeedReader({
    clock,
    hooks: callHooks({}, () => {}),
    keys,
    lease,
    ledger,
    enforce: (entry) => ledger.add(entry),
    onEnforced: () => {},
    now: () => 0,
    onLive: () => {},
    onGrant: () => {},
    onLease: () => {},
    onReset: () => {},
    onAnchorDue: () => {},
  })
  let line = new Line()
  const connect = (delayMs: number): void => {
    feed.ended()
    line = new Line()
    if (broker.paused) return void (line.cut = true)
    feed.opens()
    // The request arrives, and its answer leaves, later.
    const arrivesMs = nowMs + Math.min(delayMs, 4_000) / 2
    const answers = line
    const at = broker.clock(arrivesMs)
    const entries = broker.revoked.map(({ sid, seq }) => entryOf(sid, seq))
    const log = { epoch: 'e', seq: broker.seq }
    const id = `e.${broker.seq}`
    const send = (event: Event): void => answers.send(event, arrivesMs, delayMs / 2)
    send({ name: 'anchor', data: { clock: broker.clockName, at_ms: at } })
    send({ name: 'snapshot', data: { ...log, entries, retired_kids: [] }, id })
    send({ name: 'live', data: log, id })
    // The broker knew the head when it read the entries, before the request's arrival in this
    // simulation.
    send(broker.lease(broker.clock(nowMs)))
  }
  connect(0)
  let latest = -Infinity
  let accepted = 0
  let grantedMs = 0
  const check = (): void => {
    for (const { name, data, id } of line.arrived(nowMs)) feed.apply(name, data, id)
    if (!feed.ready || !lease.held) return
    accepted++
    for (const ended of broker.open) {
      const bearer = { sid: ended.sid, sub: 'u', client_id: 'c', tid: 't', rev: 0 }
      if (ledger.covers(bearer) === undefined) latest = Math.max(latest, nowMs - ended.atMs)
      else broker.open.delete(ended)
    }
  }
  for (const { ms, delayMs, act } of steps) {
    const untilMs = nowMs + ms
    // The worst moment: the revocation comes right after a lease, and the guard receives nothing of
    // it.
    if (act === 'worst' && !broker.paused) {
      line.send(broker.lease(broker.clock(nowMs)), nowMs, delayMs)
      line.cut = true
    }
    if ((act === 'revoke' || act === 'worst') && !broker.paused) {
      const entry = { sid: `s_${broker.seq}`, seq: ++broker.seq, atMs: nowMs }
      broker.revoked.push(entry)
      broker.open.add(entry)
      const event = { name: 'revocation', data: entryOf(entry.sid, entry.seq) }
      line.send({ ...event, id: `e.${entry.seq}` }, nowMs, delayMs)
    }
    if (act === 'cut') line.cut = true
    if (act === 'pause') broker.paused = !broker.paused
    if (act === 'restart') {
      broker.clockName = `clock-${nowMs}-again`
      broker.startMs = (broker.startMs * 7 + 40_000) % 1e9
      broker.paused = false
      line.cut = true
    }
    if (act === 'reconnect') connect(delayMs)
    // A suspended guard receives nothing while time passes.
    if (act === 'suspend') nowMs = untilMs
    while (nowMs < untilMs) {
      nowMs += 7
      if (!broker.paused && nowMs - grantedMs >= (seconds * 1000) / HEARTBEATS) {
        grantedMs = nowMs
        line.send(broker.lease(broker.clock(nowMs)), nowMs, delayMs)
      }
      check()
    }
    check()
  }
  return { latest, accepted }
}

const entryOf = (sid: string, seq: number) => ({
  seq,
  selector: { kind: 'session', sid },
  exp: 1e12,
})

test('no check that begins later than the lease after an acknowledgment accepts what was revoked', () => {
  let accepted = 0
  fc.assert(
    fc.property(run, (given) => {
      const played = play(given)
      accepted += played.accepted
      expect(played.latest).toBeLessThanOrEqual(given.seconds * 1000)
    }),
    { numRuns: 1000 },
  )
  // The test means nothing for a guard that rejects everything.
  expect(accepted).toBeGreaterThan(100_000)
})

import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { sharedMs } from './clock.ts'
import type { GuardsAsked, GuardSpec } from './guards.ts'
import { BenchLine, type LineFault } from './line.ts'
import { claimedOf, type Claimed, type Receipt, worse } from './receipts.ts'
import {
  acceptedWithoutGuard,
  type BoundBroker,
  type ClientId,
  CLIENTS,
  type Issued,
  openSessions,
  openSite,
  type Site,
  stopped,
  TOKENS_ALONE,
  WITH_SESSIONS,
} from './site.ts'
import {
  JUMPED,
  KILLED,
  type Part,
  RESUMED,
  STARTED_WRONG,
  SUBJECTS,
  type Subject,
  type Tally,
  type Wanted,
  isEnough,
  rareOf,
  sum,
} from './tally.ts'
import { type Child, startChild } from '../servers/child.ts'
import { type Random, randomOf } from '../machine/random.ts'
import type { Asked } from '../servers/broker.ts'
import { basic } from '../servers/stage.ts'

/**
 * A slice of a run: guards behind lines, faults at random by the seed, and revocations meanwhile.
 * For each revocation it finds when the latest request was sent that each guard accepted.
 */

export interface RunOptions extends Wanted {
  seed: number
  /** The number of Node guards. */
  guards: number
  /** The share of the Node guards that are wrong on purpose: the first of each kind. */
  wrong: number
  /** True: receipts say of sessions what is true of tokens. A run must find it. */
  hasWrongReceipts: boolean
  /** The longest time in which faults begin. */
  mostSeconds: number
  longestDelayMs: number
  python: string | undefined
  say(words: string): void
  /** Keeps the tallies, so that a run that is stopped goes on from there. */
  save(): void
}

/** A token is watched for the longest delay of a line and this time after the lease. */
const WATCH_MS = 5_000
/** A guard accepted the token if a request was accepted that was sent so long before. */
const JUST_BEFORE_MS = 300
/** A revocation so long after a fault still tests it: at a broker, until guards are back. */
const AFTER_FAULT_MS = 1_000
const AFTER_RETURN_MS = 4_000
/** The time in which guards accept a token before it is revoked. */
const LEAD_MS = 1_000
/**
 * Revocations come a few at a time, within this time: each guard reports each to the broker, which
 * costs less together.
 */
const AT_ONCE = 3
const TOGETHER_MS = 300
const AT_EACH = 20
const LOOK_MS = 200
/** A guard that accepted a token so recently holds a lease. */
const RECENT_MS = 700
const NO_FAULT = 'none'
/** The time for which a revocation waits for brokers or a Postgres that are down. */
const WAIT_MS = 20_000

interface Fault {
  kind: string
  fromMs: number
  toMs: number
  isOfBroker: boolean
  guards: ReadonlySet<number>
  counted: Record<Subject, Set<number>>
}
/** A process with guards, of which the first is `from`. */
interface Host {
  child: Child
  from: number
  specs: GuardSpec[]
  /** 0: the guard runs in the process of its host. */
  pids: number[]
  /** Its clocks are set and suspended one after the other. */
  turn: Promise<unknown>
}

export async function runSlice(part: Part, tally: Tally, options: RunOptions): Promise<void> {
  const random = randomOf(options.seed, `${part.store} ${part.leaseSeconds} ${tally.slices++}`)
  const closing: (() => unknown)[] = []
  try {
    await new Slice(part, tally, options, random, closing).run()
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

/** Returns the client of a guard, and in which way it is wrong, if it is. */
function rolesOf(
  n: number,
  isWrong: boolean,
): Pick<GuardSpec, 'client' | 'judgesSessions' | 'wrong'> {
  const wrong = !isWrong ? undefined : n % 5 === 0 ? 'sessions' : 'lease'
  const judgesSessions = n % 14 < 7 || wrong === 'sessions'
  return { client: judgesSessions ? WITH_SESSIONS : TOKENS_ALONE, judgesSessions, wrong }
}

/** Both clocks together may differ by 1,000 ppm. */
const rateBy = (random: Random): number => 1 + random.between(-450, 450) / 1e6

class Slice {
  readonly #part: Part
  readonly #tally: Tally
  readonly #options: RunOptions
  readonly #random: Random
  readonly #closing: (() => unknown)[]
  readonly #leaseMs: number
  #lines: BenchLine[] = []
  #hosts: Host[] = []
  #faults: Fault[] = []
  #sessions: Issued[] = []
  #secrets: Record<ClientId, string> = { [TOKENS_ALONE]: '', [WITH_SESSIONS]: '' }
  readonly #ending = new AbortController()
  /** The kinds of faults of the brokers, and those that come next. */
  #kinds: string[] = []
  readonly #coming: string[] = []
  /** When the next revocations come. */
  #nextMs = 0
  /** When each guard accepted any token last. */
  readonly #acceptedMs: number[] = []

  constructor(
    part: Part,
    tally: Tally,
    options: RunOptions,
    random: Random,
    closing: (() => unknown)[],
  ) {
    this.#part = part
    this.#tally = tally
    this.#options = options
    this.#random = random
    this.#closing = closing
    this.#leaseMs = part.leaseSeconds * 1_000
  }

  async run(): Promise<void> {
    const { mostSeconds, say } = this.#options
    const { leaseSeconds, store } = this.#part
    const site = await openSite(store, () => rateBy(this.#random))
    this.#closing.push(() => site.close())
    const [first] = site.brokers
    if (first === undefined) throw new Error('There is no broker.')
    // All sessions are older than the faults, so that no newer token tells a guard that its stream
    // is stuck.
    const everyMs = leaseSeconds === 1 ? 2_000 : leaseSeconds * 500
    const count = Math.ceil((mostSeconds * 1_000) / everyMs) * AT_ONCE
    this.#sessions = await openSessions(first.stage, { leaseSeconds, count })
    for (const client of CLIENTS) this.#secrets[client] = first.stage.secret(client)
    this.#tally.withoutGuardSeconds ??= await acceptedWithoutGuard(first.stage)
    await this.#openGuards(site)
    say(`${store}, lease of ${leaseSeconds} s: ${this.#lines.length} guards, ${count} sessions`)
    const endMs = sharedMs() + mostSeconds * 1_000
    this.#nextMs = sharedMs() + LEAD_MS
    const running = [...this.#loops(site)]
    const revocations: Promise<void>[] = []
    for (let id = 0; sharedMs() < endMs && !this.#isDone(); id += AT_ONCE) {
      for (let n = 0; n < AT_ONCE; n++) revocations.push(this.#revoke(site, id + n))
      await sleep(LEAD_MS)
      this.#nextMs += everyMs
      if (id % (5 * AT_ONCE) === 0) {
        say(this.#progress())
        this.#options.save()
      }
      await sleep(Math.max(0, this.#nextMs - LEAD_MS - sharedMs()))
    }
    this.#ending.abort()
    await Promise.all(running)
    await Promise.all(revocations)
    say(this.#progress())
  }

  /** Returns whether enough faults were counted, and each kind of the brokers' at least once. */
  #isDone(): boolean {
    if (!isEnough(this.#part, this.#tally, this.#options)) return false
    const { counted } = this.#tally.of.token
    const missing = this.#kinds.filter((kind) => counted[kind] === undefined)
    return this.#kinds.length > 0 && missing.length === 0
  }

  #progress(): string {
    const { of, receipts, revocations, violations } = this.#tally
    const faults = SUBJECTS.map((subject) => `${sum(of[subject].counted)} by ${subject}s`).join(
      ', ',
    )
    const { each } = this.#options
    const rare = rareOf(this.#part, this.#tally, this.#options).map(
      (kind) => `${kind} ${SUBJECTS.map((subject) => of[subject].counted[kind] ?? 0).join('/')}`,
    )
    const accepting = this.#lines.filter((_, guard) => this.#accepts(guard)).length
    const under = `${accepting} of ${this.#lines.length} guards accept tokens`
    const left = rare.length === 0 ? '' : `; below ${each}: ${rare.join(', ')}`
    return `${this.#part.store} ${this.#part.leaseSeconds} s: faults ${faults}; ${revocations} revocations, ${receipts.compared} receipts, ${violations.length} violations; ${under}${left}`
  }

  async #openGuards({ issuer, brokers }: Site): Promise<void> {
    const { guards, wrong, python } = this.#options
    const random = this.#random
    const kinds: GuardSpec['kind'][] = [
      ...Array.from({ length: guards }, () => 'node' as const),
      ...(wrong > 0 ? [] : (['guard serve', 'guard serve', 'guard serve'] as const)),
      ...(wrong > 0 || python === undefined ? [] : (['python', 'python', 'python'] as const)),
    ]
    const specs: GuardSpec[] = []
    for (const [n, kind] of kinds.entries()) {
      const isBuffered = n % 4 === 3
      const port = (): number => random.pick(brokers).port
      const to = (): { host: string; port: number } => ({ host: '127.0.0.1', port: port() })
      const line = await BenchLine.open(to, isBuffered ? random.between(50, 400) : 0)
      this.#lines.push(line)
      this.#closing.push(() => line.close())
      const isNode = kind === 'node'
      specs.push({
        name: `${kind.replace(' ', '-')}-${n}`,
        kind,
        isBuffered,
        port: line.port,
        polls: isNode && n % 6 === 2,
        introspects: isNode && n % 20 === 4,
        hasBootClock: n % 2 === 0,
        ...rolesOf(n, isNode && n < wrong * guards),
        rate: kind === 'guard serve' || (kind === 'python' && n % 2 === 0) ? 1 : rateBy(random),
      })
    }
    const parts = { issuer, secrets: this.#secrets }
    const open = async (from: number): Promise<Host> => {
      const own = specs.slice(from, from + AT_EACH)
      const child = await startChild(undefined, 'lease-bound/guards')
      this.#closing.push(() => child.stop())
      const opened = await child.ask('open', { ...parts, guards: own })
      const { pids } = opened as GuardsAsked['open']['out']
      return { child, from, specs: own, pids, turn: Promise.resolve() }
    }
    const hosts = Math.ceil(specs.length / AT_EACH)
    this.#hosts = await Promise.all(Array.from({ length: hosts }, (_, n) => open(n * AT_EACH)))
  }

  /** Watches a session and its tokens, revokes it, and judges when each was accepted last. */
  async #revoke(site: Site, id: number): Promise<void> {
    const issued = this.#sessions.pop()
    if (issued === undefined) return
    const leaseMs = this.#leaseMs
    await this.#toAll('watch', { id, of: issued.of, leaseMs }, false)
    await sleep(LEAD_MS + this.#random.between(0, TOGETHER_MS))
    const { sid, sub, tid } = issued
    const clientId = this.#random.pick(CLIENTS)
    const selector = this.#random.pick([
      { kind: 'session' as const, sid },
      { kind: 'session' as const, sid },
      { kind: 'grant' as const, sid, clientId },
      { kind: 'subject' as const, sub },
      { kind: 'tenant' as const, tid },
    ])
    const clients = selector.kind === 'grant' ? [clientId] : CLIENTS
    const requestedMs = sharedMs()
    const acknowledged = await this.#acknowledgment(site, selector)
    if (acknowledged === undefined) return void (await this.#toAll('done', { id }, true))
    const { seq, acknowledgedMs } = acknowledged
    void this.#toAll('acknowledged', { id, atMs: acknowledgedMs }, false)
    const claimed = this.#claimed(site, { seq, acknowledgedMs, clients })
    await Promise.all(
      site.brokers.flatMap((each) =>
        clients.map((client) => this.#introspect(each, client, issued.of[client].token)),
      ),
    )
    const watchMs = leaseMs + this.#options.longestDelayMs + WATCH_MS
    await sleep(Math.max(0, acknowledgedMs + watchMs - sharedMs()))
    const answers = (await this.#toAll('done', { id }, true)) as GuardsAsked['done']['out'][]
    this.#tally.revocations++
    const claims = await claimed
    const last = (subject: Subject): number[] => answers.flatMap(({ lastMs }) => lastMs[subject])
    for (const subject of SUBJECTS)
      this.#judge(subject, { acknowledgedMs, clients, claims, lastMs: last(subject) })
    for (const [guard, ended] of answers.flatMap((answer) => answer.ended).entries())
      if (typeof ended?.atMs === 'number' && ended.atMs < requestedMs) {
        const kind = `${ended.why}, ${this.#latestFault(guard, ended.atMs)}`
        this.#tally.endedEarly[kind] = (this.#tally.endedEarly[kind] ?? 0) + 1
      }
    // Revocations are judged in about the order of their acknowledgment.
    this.#faults = this.#faults.filter(({ toMs }) => toMs > acknowledgedMs - 60_000)
  }

  /**
   * Requests a revocation until a broker acknowledges it, so that one which comes while brokers or Postgres
   * are down tests their return. Until then no guard has to know it.
   */
  async #acknowledgment(
    { brokers }: Site,
    selector: Asked['revoke']['in']['selector'],
  ): Promise<Asked['revoke']['out'] | undefined> {
    for (const untilMs = sharedMs() + WAIT_MS; sharedMs() < untilMs; await sleep(20)) {
      const broker = this.#random.pick(brokers)
      const acknowledged = broker.isUp
        ? await broker.stage.ask('revoke', { selector }).catch(() => undefined)
        : undefined
      if (acknowledged !== undefined) return acknowledged
    }
    return undefined
  }

  /** Returns the fault of a guard that began last before a time. */
  #latestFault(guard: number, atMs: number): string {
    const earlier = this.#faults.filter(({ fromMs, guards }) => guards.has(guard) && fromMs <= atMs)
    const [latest] = earlier.toSorted((a, b) => b.fromMs - a.fromMs)
    return latest?.kind ?? NO_FAULT
  }

  async #toAll(name: keyof GuardsAsked, input: object, waits: boolean): Promise<unknown[]> {
    const asked = this.#hosts.map(({ child }) => child.ask(name, input))
    const all = Promise.all(asked)
    if (waits) return all
    // A stopped process learns of it when it goes on.
    all.catch(() => undefined)
    return []
  }

  /** A broker must not call a token active once its revocation was acknowledged. */
  async #introspect({ port }: BoundBroker, client: ClientId, token: string): Promise<void> {
    const answer = await fetch(`http://127.0.0.1:${port}/introspect`, {
      method: 'POST',
      headers: { authorization: basic(client, this.#secrets[client]) },
      body: new URLSearchParams({ token }),
      signal: AbortSignal.timeout(8_000),
    }).catch(() => undefined)
    const body = (await answer?.json().catch(() => undefined)) as { active?: boolean } | undefined
    if (body?.active === true)
      this.#violation('A broker called a token active after its revocation was acknowledged.')
    this.#tally.introspected[body?.active === false ? 'inactive' : 'none']++
  }

  /** Asks for receipts. Returns from when on they say that a client accepts nothing. */
  async #claimed(
    site: Site,
    of: { seq: number; acknowledgedMs: number; clients: readonly ClientId[] },
  ): Promise<Claimed> {
    const { seq, acknowledgedMs, clients } = of
    const { receipts } = this.#tally
    const claimed: Claimed[] = []
    let before: Receipt | undefined
    for (const waitMs of [150, 600, this.#leaseMs]) {
      await sleep(this.#random.between(0, waitMs))
      const { brokers } = site
      const given = await this.#random
        .pick(brokers)
        .askForReceipt(seq)
        .catch(() => undefined)
      if (given === undefined) continue
      const receipt = this.#options.hasWrongReceipts ? sessionsAsTokens(given) : given
      receipts.compared++
      for (const subject of SUBJECTS)
        receipts[subject] += receipt.participants.filter(
          (part) => part[`${subject}s`].state === 'confirmed',
        ).length
      const isRight = this.#isRight(acknowledgedMs, receipt.atMs)
      for (const subject of SUBJECTS) claimed.push(claimedOf(receipt, subject, isRight))
      for (const words of worse(before, receipt)) this.#violation(words)
      before = receipt
    }
    const earliest = (client: ClientId, subject: Subject): number =>
      Math.min(...claimed.map((each) => each[client]?.[subject] ?? Infinity))
    const result: Claimed = {}
    for (const client of clients)
      result[client] = { token: earliest(client, 'token'), session: earliest(client, 'session') }
    // No guard of this client judges sessions, so its instance accepts them forever.
    if ((result[TOKENS_ALONE]?.session ?? Infinity) < Infinity)
      this.#violation('A receipt said when sessions are over that no guard judges.')
    return result
  }

  /** Returns whether one clock has run all the time, so that a receipt's times can be compared. */
  #isRight(fromMs: number, toMs: number): boolean {
    const disturbing = ['broker: clock set', KILLED, RESUMED, STARTED_WRONG]
    return (
      this.#part.store === 'sqlite' &&
      !this.#faults.some(
        (fault) =>
          disturbing.includes(fault.kind) && fault.fromMs <= toMs && fault.toMs >= fromMs - LEAD_MS,
      )
    )
  }

  #judge(
    subject: Subject,
    of: {
      acknowledgedMs: number
      clients: readonly ClientId[]
      claims: Claimed
      lastMs: readonly number[]
    },
  ): void {
    const { acknowledgedMs, clients, claims, lastMs } = of
    const { counted, latest } = this.#tally.of[subject]
    const beside = this.#faults.filter(
      ({ fromMs, isOfBroker, toMs }) =>
        fromMs <= acknowledgedMs &&
        acknowledgedMs <= toMs + (isOfBroker ? AFTER_RETURN_MS : AFTER_FAULT_MS),
    )
    const specs = this.#hosts.flatMap((host) => host.specs)
    lastMs.forEach((sentMs, guard) => {
      const client = specs[guard]?.client ?? TOKENS_ALONE
      // The guard did not accept it when it was revoked, so nothing is tested.
      if (sentMs < acknowledgedMs - JUST_BEFORE_MS || !clients.includes(client)) return
      const hits = beside.filter(({ guards }) => guards.has(guard))
      const afterMs = Math.max(0, sentMs - acknowledgedMs)
      for (const kind of new Set(hits.length === 0 ? [NO_FAULT] : hits.map(({ kind }) => kind))) {
        const row = (latest[kind] ??= {})
        const ms = Math.ceil(afterMs)
        row[ms] = (row[ms] ?? 0) + 1
      }
      for (const fault of hits)
        if (!fault.counted[subject].has(guard)) {
          fault.counted[subject].add(guard)
          counted[fault.kind] = (counted[fault.kind] ?? 0) + 1
        }
      const name = `${JSON.stringify(specs[guard])} accepted a ${subject} in a request`
      const claimedMs = claims[client]?.[subject] ?? Infinity
      if (sentMs > claimedMs)
        this.#violation(
          `${name} that was sent ${(sentMs - claimedMs).toFixed(1)} ms after its client accepted none by a receipt.`,
        )
      if (afterMs > this.#leaseMs)
        this.#violation(
          `${name} that was sent ${afterMs.toFixed(1)} ms after the acknowledgment, beside ${hits.map(({ kind, fromMs, toMs }) => `${kind} (${Math.round(fromMs - acknowledgedMs)} to ${Math.round(toMs - acknowledgedMs)} ms)`).join(', ')}.`,
        )
    })
  }

  #violation(words: string): void {
    const { leaseSeconds, store } = this.#part
    const where = `seed ${this.#options.seed}, ${store}, lease of ${leaseSeconds} s, slice ${this.#tally.slices}`
    this.#tally.violations.push(`${words} (${where})`)
    this.#options.say(`VIOLATION: ${words}`)
  }

  /** Lets faults happen until the end: at each line, at each process with guards, at the brokers. */
  *#loops(site: Site): Generator<Promise<void>> {
    // The faults of two brokers and of Postgres must hit guards that are connected.
    const gap = site.pair === undefined ? ([100, 1_500] as const) : ([2_000, 30_000] as const)
    for (const host of this.#hosts) {
      const all = host.specs.map((_, n) => host.from + n)
      yield this.#look(host)
      const inside = all.filter((_, n) => host.pids[n] === 0)
      if (inside.length > 0)
        yield this.#loop(`host ${host.from}`, [6_000, 20_000], (random) =>
          this.#faultOfHost(host, inside, random),
        )
      for (const [n, guard] of all.entries())
        yield this.#loop(`guard ${guard}`, gap, (random) =>
          this.#faultOfGuard(host, n, guard, random),
        )
    }
    yield this.#loop('broker', [6_000, 20_000], (random) => this.#faultOfBroker(site, random))
  }

  async #loop(
    name: string,
    [least, most]: readonly [number, number],
    fault: (random: Random) => Promise<void>,
  ): Promise<void> {
    const random = randomOf(this.#random.between(0, 2 ** 31), name)
    const { signal } = this.#ending
    const rest = (): Promise<unknown> =>
      sleep(random.between(least, most), undefined, { signal }).catch(() => undefined)
    for (await rest(); !signal.aborted; await rest()) {
      const fromMs = sharedMs()
      await fault(random)
      // A busy machine restarts a broker slowly. Most revocations must be acknowledged all the same.
      const lastedMs = sharedMs() - fromMs
      await sleep(Math.max(0, lastedMs - most), undefined, { signal }).catch(() => undefined)
    }
  }

  #accepts(guard: number): boolean {
    return sharedMs() - (this.#acceptedMs[guard] ?? 0) < RECENT_MS
  }

  /** Asks the hosts again and again which guards accept tokens. */
  async #look(host: Host): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const { acceptedMs } = (await host.child.ask(
        'accepted',
        {},
      )) as GuardsAsked['accepted']['out']
      acceptedMs.forEach((ms, n) => (this.#acceptedMs[host.from + n] = ms))
      await sleep(LOOK_MS)
    }
  }

  /** Notes a fault while it happens. */
  async #happens(
    kind: string,
    guards: readonly number[],
    act: () => Promise<unknown>,
  ): Promise<void> {
    const fault = {
      kind,
      fromMs: sharedMs(),
      toMs: Infinity,
      isOfBroker: guards.length === this.#lines.length,
      guards: new Set(guards),
      counted: { token: new Set<number>(), session: new Set<number>() },
    }
    this.#faults.push(fault)
    await act()
    fault.toMs = sharedMs()
  }

  /** Waits until about when the next revocations come: a fault beside none tests nothing. */
  async #untilRevoked(random: Random): Promise<void> {
    const waitMs = this.#nextMs - sharedMs() - random.between(-TOGETHER_MS, LEAD_MS)
    await sleep(Math.max(LOOK_MS, waitMs))
  }

  /** Shorter and longer than the lease. */
  #duration(random: Random): number {
    return random.between(100, Math.min(40_000, this.#leaseMs * 2 + 500))
  }

  async #faultOfGuard(host: Host, n: number, guard: number, random: Random): Promise<void> {
    // A fault tests nothing at a guard that accepts nothing.
    await this.#untilRevoked(random)
    if (!this.#accepts(guard) || this.#ending.signal.aborted) return
    const pid = host.pids[n] ?? 0
    const ms = this.#duration(random)
    const { each, only } = this.#options
    const ofClocks = each === 0 ? 0.05 : only === 'clocks' ? 0.4 : 0.2
    if (pid === 0 && host.specs[n]?.hasBootClock === true && random.chance(ofClocks))
      return this.#jumpOfGuard(host, n, guard, random)
    if (only !== 'clocks' && random.chance(each === 0 ? 0.15 : 0.2)) {
      if (pid > 0) return this.#happens('guard stopped', [guard], () => stopped([pid], ms))
      return this.#clockOfGuard(host, n, guard, random, ms)
    }
    const line = this.#lines[guard]
    const fault = lineFault(random, ms, this.#leaseMs, this.#options.longestDelayMs)
    await this.#happens(`line ${fault.kind}`, [guard], async () => {
      line?.disturb(fault)
      await sleep(ms)
      line?.repair()
    })
  }

  /**
   * The clock that counts suspension jumps ahead. Once the guard holds a lease by it, and about when
   * something is revoked, it goes back, and the guard is cut off.
   */
  async #jumpOfGuard(host: Host, n: number, guard: number, random: Random): Promise<void> {
    // More than the process may be stopped for, so that each step back is seen.
    const jumpMs = random.pick([60_000, 3_600_000, 2_592_000_000]) + random.between(0, 60_000)
    const jump = (ms: number): Promise<unknown> => host.child.ask('jump', { guard: n, ms })
    const line = this.#lines[guard]
    await this.#happens(JUMPED, [guard], async () => {
      await jump(jumpMs)
      // The guard holds no lease until the next heartbeat.
      await sleep(Math.min(2_000, this.#leaseMs / 4) + random.between(200, 500))
      await sleep(Math.max(0, this.#nextMs - sharedMs() + random.between(-200, 800)))
      line?.disturb({ kind: 'cut' })
      await jump(0)
      await sleep(this.#leaseMs + random.between(0, 2_000))
      line?.repair()
    })
  }

  async #clockOfGuard(
    host: Host,
    n: number,
    guard: number,
    random: Random,
    ms: number,
  ): Promise<void> {
    const stepMs = random.pick([2, 30, 600, 36_000]) * random.pick([-1_000, 1_000])
    // A clock that adds up readings does not cover a wall clock that is set back during a
    // suspension, so neither begins while the other is under way.
    const set = (to: number): Promise<unknown> =>
      (host.turn = host.turn.then(async () => {
        await host.child.ask('step', { guard: n, ms: to })
        await sleep(200)
      }))
    await this.#happens(
      stepMs < 0 ? 'guard: clock set back' : 'guard: clock set forward',
      [guard],
      async () => {
        await set(stepMs)
        await sleep(ms)
        await set(0)
      },
    )
  }

  async #faultOfHost(host: Host, guards: readonly number[], random: Random): Promise<void> {
    await this.#untilRevoked(random)
    const ms = this.#duration(random)
    const { child } = host
    const suspends = random.chance(0.5)
    await (host.turn = host.turn.then(() =>
      this.#happens(suspends ? 'guard suspended' : 'guard stopped', guards, async () => {
        if (suspends) await child.ask('suspend', { ms })
        await stopped([child.pid], ms)
      }),
    ))
  }

  async #faultOfBroker(site: Site, random: Random): Promise<void> {
    await this.#untilRevoked(random)
    const guards = this.#lines.map((_, n) => n)
    const ms = this.#duration(random)
    const broker = random.pick(site.brokers)
    const faults: Record<string, () => Promise<unknown>> = {
      'broker stopped': () => broker.pause(ms),
      'broker suspended': () => broker.suspend(ms),
      'broker: clock set': async () => {
        await broker.stage.ask('step', { ms: random.pick([-1, 1]) * random.between(1_000, 36e6) })
        await sleep(ms)
        await broker.stage.ask('step', { ms: 0 })
      },
      [KILLED]: async () => {
        await broker.kill()
        await sleep(random.between(0, 1_000))
        await broker.start()
      },
      [RESUMED]: async () => {
        const asleepMs = random.between(1, 12) * 3_600_000
        await broker.kill()
        await broker.start(-asleepMs)
        await broker.stage.ask('resume', { ms: asleepMs })
      },
      [STARTED_WRONG]: async () => {
        await broker.kill()
        await broker.start(random.pick([120_000, 7_200_000, 129_600_000, -120_000, -7_200_000]))
        await sleep(ms)
        await broker.stage.ask('step', { ms: 0 })
      },
      ...faultsOfPostgres(site, broker, random, ms),
    }
    if (this.#options.only === 'clocks')
      for (const kind of Object.keys(faults))
        if (kind !== RESUMED && kind !== STARTED_WRONG) delete faults[kind]
    this.#kinds = Object.keys(faults)
    // Those that are too rare, or all. A killed broker starts slowly on a busy machine, so it is rarer.
    const rare = rareOf(this.#part, this.#tally, this.#options).filter(
      (candidate) => candidate in faults,
    )
    const all = [...this.#kinds, ...this.#kinds.filter((candidate) => candidate !== KILLED)]
    if (this.#coming.length === 0)
      this.#coming.push(...random.shuffled(rare.length > 0 ? rare : all))
    const kind = this.#coming.shift() ?? KILLED
    await this.#happens(kind, guards, faults[kind] as () => Promise<unknown>)
  }
}

/** Returns a receipt that is wrong on purpose. */
const sessionsAsTokens = (receipt: Receipt): Receipt => ({
  ...receipt,
  participants: receipt.participants.map((part) => ({ ...part, sessions: part.tokens })),
})

function lineFault(random: Random, ms: number, leaseMs: number, longestMs: number): LineFault {
  const delayMs = random.between(
    50,
    random.chance(0.7) ? Math.min(longestMs, leaseMs * 1.5) : longestMs,
  )
  return random.pick<LineFault>([
    { kind: 'cut' },
    { kind: 'swallowed' },
    { kind: 'lost to the guard' },
    { kind: 'lost to the broker' },
    { kind: 'delayed', ms: delayMs },
    { kind: 'delayed', ms: delayMs },
    { kind: 'held', untilMs: performance.now() + ms },
    { kind: 'throttled', bytesPerSecond: random.between(50, 1_500) },
  ])
}

function faultsOfPostgres(
  { pair }: Site,
  { database }: BoundBroker,
  random: Random,
  ms: number,
): Record<string, () => Promise<unknown>> {
  if (pair === undefined || database === undefined) return {}
  const disturbed = (fault: LineFault) => async (): Promise<void> => {
    database.disturb(fault)
    await sleep(ms)
    database.repair()
  }
  const promoted = (former: 'killed' | 'isolated') => (): Promise<void> =>
    pair.promote({ former, ms, moved: async () => undefined })
  return {
    'Postgres stopped': () => stopped([pair.pid, ...childrenOf(pair.pid)], ms),
    'Postgres killed': async () => {
      await pair.kill()
      await sleep(random.between(0, 1_000))
      await pair.start()
    },
    'Postgres failed over': promoted('killed'),
    'Postgres failed over, the old primary isolated': promoted('isolated'),
    'broker: line to Postgres swallowed': disturbed({ kind: 'swallowed' }),
    'broker: line to Postgres delayed': disturbed({ kind: 'delayed', ms: random.between(100, ms) }),
  }
}

const childrenOf = (pid: number): number[] =>
  execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)

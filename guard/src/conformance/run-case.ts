import type { Clock } from '../clock.ts'
import type { Adapter } from './adapter.ts'
import {
  ENFORCED,
  ENTRY_SECONDS,
  FakeBroker,
  SESSION_SECONDS,
  type Request,
} from './fake-broker.ts'
import { differs } from './pattern.ts'
import type {
  BrokerState,
  Brought,
  Case,
  Decision,
  LogoutDecision,
  Step,
  TokenSpec,
} from './shapes.ts'
import { API, CLIENT, CLIENT_KEY, signProof, signToken, type Keys } from './sign.ts'

/** Plays the steps of a case, and reports what a guard did wrong. */

export interface Stage {
  adapter: Adapter
  clock: Clock
  keys: Keys
  leaseSeconds: number
  /** The features that the guard lacks (`NEEDS`). */
  without?: readonly string[]
  /** The factor by which a guard may be slower on a busy machine. Default: 1. */
  patience?: number
}

const WAIT_MS = 10_000
const BETWEEN_MS = 15
const DECISIONS: Readonly<Record<number, Decision>> = {
  200: 'accept',
  401: 'reject',
  503: 'unavailable',
}
const LOGOUT_DECISIONS: Readonly<Record<number, LogoutDecision>> = {
  200: 'ended',
  400: 'final',
  503: 'again',
}

type Asked = Extract<Step, { do: 'check' | 'session' | 'logout' }>

/** A fake broker, with what the guard has done to it so far. */
export class Play {
  readonly broker: FakeBroker
  readonly #stage: Stage
  /** The number of connections that steps have already counted. */
  #connectionsSeen = 0
  /** The number of requests by path that steps have already counted. */
  readonly #requestsSeen = new Map<string, number>()
  /** The tokens and proofs that the guard gets more than once, by their name in the case. */
  readonly #signed = new Map<string, string>()
  /** The answers that a later step waits for. */
  readonly #later = new Map<string, Promise<string>>()
  /** The number of requests up to the newest report that a step has found. */
  #reportsSeen = 0
  #started = false
  /** The time to which the times of sessions are relative, so that each is always the same. */
  #openedAt: number | undefined

  constructor(stage: Stage) {
    this.#stage = stage
    this.broker = new FakeBroker(stage.keys, stage.clock, stage.leaseSeconds)
  }

  async start(): Promise<void> {
    await this.broker.start()
  }
  async stop(): Promise<void> {
    try {
      await Promise.allSettled(this.#later.values())
      if (this.#started) await this.#stage.adapter.ask({ do: 'stop' }).catch(() => {})
    } finally {
      await this.broker.stop()
    }
  }

  async #startGuard(step: Extract<Step, { do: 'start' }>): Promise<void> {
    const { by, poll, sessions, without_lease } = step
    this.#started = true
    this.broker.clientBy = by ?? 'secret'
    const { adapter, keys, without = [] } = this.#stage
    const { client_secret, ...client } = CLIENT
    const credential = by === 'key' ? { client_key: keys[CLIENT_KEY] ?? {} } : { client_secret }
    await adapter.ask({
      do: 'start',
      issuer: this.broker.issuer,
      ...client,
      ...credential,
      guard: 'conformance-1',
      ...(poll && { poll }),
      ...(sessions && { sessions }),
      ...(without_lease && { without_lease }),
      ...(!without.includes('dpop') && { public_address: API }),
    })
  }

  /** Plays the steps. Returns what went wrong, or undefined. */
  async play({ steps }: Pick<Case, 'steps'>): Promise<string | undefined> {
    for (const [index, step] of steps.entries()) {
      const wrong = await this.#step(step)
      if (wrong !== undefined) return `step ${index + 1} (${step.do}): ${wrong}`
    }
    return undefined
  }

  async #step(step: Step): Promise<string | undefined> {
    switch (step.do) {
      case 'start':
        await this.#startGuard(step)
        return undefined
      case 'check':
      case 'session':
      case 'logout':
        return this.#decision(step)
      case 'answer':
        return unexpected(step.expect, (await this.#later.get(step.to)) ?? 'nothing')
      case 'stop':
        await this.#stage.adapter.ask({ do: 'stop' })
        return undefined
      case 'clock':
        await this.#moveClocks(step)
        return undefined
      case 'raw':
        await this.#raw(step.pieces)
        return undefined
      case 'expect_connection':
        return this.#connection(step)
      case 'expect_report':
        return this.#report(step)
      case 'expect_requests':
        return this.#requests(step)
      default:
        this.#happens(step)
        return undefined
    }
  }

  #happens(
    step: Extract<Step, { do: 'revoke' | 'send' | 'broker' | 'fill' | 'cut' | 'live' | 'hush' }>,
  ): void {
    const { broker } = this
    const exp = broker.now + ENTRY_SECONDS
    switch (step.do) {
      case 'revoke':
        broker.append(
          {
            ...step.members,
            seq: step.seq,
            selector: step.selector,
            exp: step.exp_in === undefined ? exp : broker.now + step.exp_in,
            session_exp: broker.now + (step.session_exp_in ?? SESSION_SECONDS),
          },
          { send: step.unsent !== true },
        )
        break
      case 'send':
        broker.send(step.event, this.#filled(step.data), step.id)
        break
      case 'broker':
        // The address of the fake broker is known only now.
        broker.set(withIssuer(step.set, broker.issuer))
        break
      case 'fill':
        for (let n = 1; n <= step.count; n++)
          broker.append(
            { seq: broker.state.seq + 1, selector: { kind: 'session', sid: `s_f${n}` }, exp },
            { send: false },
          )
        break
      case 'cut':
        broker.cut()
        break
      case 'hush':
        broker.hush(step.over !== true)
        break
      case 'live':
        broker.live()
    }
  }

  /** Moves the guard's clocks first, so that a request in between finds none ahead of its time. */
  async #moveClocks(step: Extract<Step, { do: 'clock' }>): Promise<void> {
    const { broker_ms = 0, elapsed_ms = 0, monotonic_ms = 0, wall_ms = 0 } = step
    await this.#stage.adapter.ask({ do: 'clock', wall_ms, monotonic_ms, elapsed_ms })
    this.broker.pass(broker_ms)
  }

  async #raw(pieces: string[]): Promise<void> {
    const exp = String(this.broker.now + ENTRY_SECONDS)
    await this.broker.rawInPieces(
      pieces.map((piece) => piece.replaceAll('$EXP', exp)),
      () => this.#pause(),
    )
  }

  #filled(data: unknown): unknown {
    const exp = String(this.broker.now + ENTRY_SECONDS)
    return JSON.parse(JSON.stringify(data).replaceAll('"$EXP"', exp)) as unknown
  }

  /**
   * Asks for a decision. If the case says `at_once` the first answer counts, otherwise the guard
   * has time to reach the expected one.
   */
  async #decision(step: Asked): Promise<string | undefined> {
    const expected: string[] = [step.expect].flat()
    if (step.do !== 'logout' && step.later !== undefined) {
      this.#later.set(step.later, this.#ask(step))
      return undefined
    }
    const never = step.do === 'logout' ? undefined : step.never
    let answered = ''
    const { leaseSeconds } = this.#stage
    const { for_leases, for_ms: forMs = for_leases && for_leases * leaseSeconds * 1000 } =
      step.do === 'check' ? step : {}
    if (forMs !== undefined) {
      const isOther = await this.#until(
        async () => !expected.includes((answered = await this.#ask(step))),
        forMs,
      )
      return isOther
        ? `expected ${expected.join(' or ')} for ${forMs} ms, and the guard answered ${answered}`
        : undefined
    }
    const settled = await this.#until(
      async () => {
        answered = await this.#ask(step)
        // On a busy machine a lease may run out before the heartbeat comes.
        const mayBeLate = step.do !== 'logout' && answered === 'unavailable'
        return (
          expected.includes(answered) ||
          (step.at_once === true && !(mayBeLate && expected.includes('accept'))) ||
          answered === never
        )
      },
      step.do === 'check' ? this.#patiently(step.within_ms) : undefined,
    )
    const wrong = unexpected(step.expect, answered)
    return wrong === undefined || settled ? wrong : `${wrong} for ${this.#waitMs / 1000} s`
  }

  async #ask(step: Asked): Promise<string> {
    const { adapter } = this.#stage
    if (step.do === 'session') {
      const { status = 0 } = await adapter.ask({
        do: 'session',
        session: this.#session(step.claims),
      })
      return DECISIONS[status] ?? `status ${status}`
    }
    const token = this.#made(step.token, () => this.#sign(step))
    const { status = 0 } = await adapter.ask(
      step.do === 'check'
        ? { do: 'check', token, ...step.demand, ...this.#brought(step, token) }
        : { do: 'logout', logout_token: token },
    )
    return (step.do === 'check' ? DECISIONS : LOGOUT_DECISIONS)[status] ?? `status ${status}`
  }

  /** Returns a token or a proof: the one of that name which was sent before, if there is one. */
  #made({ is_forged: isForged, same }: TokenSpec, make: () => string): string {
    const signed = (same === undefined ? undefined : this.#signed.get(same)) ?? make()
    if (same !== undefined) this.#signed.set(same, signed)
    return isForged === true ? forged(signed) : signed
  }

  #brought({ request }: Extract<Step, { do: 'check' }>, token: string): { request?: Brought } {
    if (request === undefined) return {}
    const signing = { keys: this.#stage.keys, now: this.broker.now }
    const proofs = request.proofs.map((proof) =>
      this.#made(proof, () => signProof(proof, { ...request, token }, signing)),
    )
    return { request: { ...request, proofs } }
  }

  /** Returns the claims of the ID token that opened a session. */
  #session(differences: Record<string, unknown>): Record<string, unknown> {
    const { issuer } = this.broker
    const now = (this.#openedAt ??= this.broker.now)
    const claims = {
      iss: issuer,
      aud: CLIENT.client_id,
      sub: 'u_1',
      sid: 's_1',
      tenant: 't_1',
      rev: 100,
      iat: -60,
      session_expiry: SESSION_SECONDS,
      ...differences,
    }
    return Object.fromEntries(
      Object.entries(claims).flatMap(([name, value]) => {
        if (value === null) return []
        const isTime = (name === 'iat' || name === 'session_expiry') && typeof value === 'number'
        return [[name, isTime ? value + now : value]]
      }),
    )
  }

  #sign({ do: kind, token }: Extract<Step, { do: 'check' | 'logout' }>): string {
    const { issuer, now } = this.broker
    const signing = { issuer, keys: this.#stage.keys, now }
    return signToken(kind === 'check' ? 'access' : 'logout', token, signing)
  }

  async #requests(step: Extract<Step, { do: 'expect_requests' }>): Promise<string | undefined> {
    const { requests, streams } = this.broker
    const after = (index: number): Request[] =>
      requests
        .slice(index)
        .filter(
          (each) =>
            each.path === step.path && differs(step.like ?? {}, each, streams) === undefined,
        )
    const seen = this.#requestsSeen.get(step.path) ?? 0
    const since = (): Request[] => after(seen)
    const count = (): number => since().length
    if ('at_least' in step)
      await this.#until(() => count() >= step.at_least, this.#patiently(step.within_ms))
    else await this.#until(() => count() > step.at_most, step.for_ms)
    const found = since()
    this.#requestsSeen.set(step.path, requests.length)
    const isSo = 'at_least' in step ? found.length >= step.at_least : found.length <= step.at_most
    const wanted = 'at_least' in step ? `at least ${step.at_least}` : `at most ${step.at_most}`
    if (!isSo) return `expected ${wanted} requests to ${step.path}, and there were ${found.length}`
    for (const each of found) {
      const wrong = differs(step.each ?? {}, each, streams)
      if (wrong !== undefined) return `a request to ${step.path} was not as expected: ${wrong}`
    }
    const { apart_ms = 0, distinct } = step
    const close = found.slice(1).map(({ atMs }, index) => atMs - (found[index]?.atMs ?? 0))
    if (Math.min(apart_ms, ...close) < apart_ms)
      return `expected requests to ${step.path} at least ${apart_ms} ms apart, and they were ${close.map(Math.round).join(', ')} ms apart`
    const values = distinct === undefined ? [] : after(0).map(({ query }) => query[distinct])
    return new Set(values).size === values.length
      ? undefined
      : `two requests to ${step.path} had the same ${distinct}`
  }

  async #connection({
    resumes,
    within_ms: withinMs = WAIT_MS,
  }: Extract<Step, { do: 'expect_connection' }>): Promise<string | undefined> {
    const { connections } = this.broker
    if (
      !(await this.#until(
        () => connections.length > this.#connectionsSeen,
        this.#patiently(withinMs),
      ))
    )
      return `no new connection within ${withinMs / 1000} s`
    const connection = connections.at(-1)
    this.#connectionsSeen = connections.length
    if (resumes === undefined) return undefined
    const { lastEventId = '' } = connection ?? {}
    if (resumes === 'nothing')
      return lastEventId === ''
        ? undefined
        : `expected no Last-Event-ID, and it was ${JSON.stringify(lastEventId)}`
    const [, epoch, seq] = /^(.*)\.(\d+)$/.exec(lastEventId) ?? []
    const { at_least: least = 0, at_most: most } = resumes
    if (epoch === resumes.epoch && Number(seq) <= most && Number(seq) >= least) return undefined
    return `expected a Last-Event-ID of ${resumes.epoch}, at least ${least} and at most ${most}, and it was ${JSON.stringify(lastEventId)}`
  }

  async #report({
    epoch,
    seq,
    answered = 204,
    again = false,
    members = {},
  }: Extract<Step, { do: 'expect_report' }>): Promise<string | undefined> {
    const { requests, streams } = this.broker
    const body = { epoch, seq, guard: 'conformance-1', ...members }
    const isWanted = (each: Request): boolean =>
      each.path === ENFORCED &&
      differs({ answered, body }, each, streams) === undefined &&
      (again || streams.some((name) => [each.body['streams'] ?? []].flat().includes(name)))
    const from = again ? this.#reportsSeen : 0
    if (await this.#until(() => requests.slice(from).some(isWanted))) {
      this.#reportsSeen = requests.findLastIndex(isWanted) + 1
      return undefined
    }
    const last = requests.findLast(({ path }) => path === ENFORCED)
    return `no ${again ? 'further ' : ''}report ${JSON.stringify({ ...body, answered })}; the last was ${JSON.stringify(last && { ...last.body, answered: last.answered })}`
  }

  #patiently(ms: number | undefined): number | undefined {
    return ms && ms * (this.#stage.patience ?? 1)
  }

  get #waitMs(): number {
    return this.#patiently(WAIT_MS + this.#stage.leaseSeconds * 1000) ?? 0
  }

  async #until(isSo: () => boolean | Promise<boolean>, withinMs = this.#waitMs): Promise<boolean> {
    const { clock } = this.#stage
    const until = clock.monotonicMs() + withinMs
    while (!(await isSo())) {
      if (clock.monotonicMs() >= until) return false
      await this.#pause()
    }
    return true
  }

  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#stage.clock.after(BETWEEN_MS, resolve))
  }
}

const withIssuer = (changes: Partial<BrokerState>, issuer: string): Partial<BrokerState> =>
  changes.issuer === undefined
    ? changes
    : { ...changes, issuer: changes.issuer.replace('$ISSUER', issuer) }

/** Returns the token with the signature of nothing. */
const forged = (token: string): string =>
  token.replace(/[^.]*$/, (signature) => 'A'.repeat(signature.length))

function unexpected(expect: string | string[], answered: string): string | undefined {
  const expected = [expect].flat()
  return expected.includes(answered)
    ? undefined
    : `expected ${expected.join(' or ')}, and the guard answered ${answered}`
}

import { isDeepStrictEqual } from 'node:util'
import { pause, type Clock } from '../clock.ts'
import type { Adapter } from './adapter.ts'
import { FakeBroker } from './fake-broker.ts'
import type { Case, Decision, LogoutDecision, Step } from './shapes.ts'
import { CLIENT, CLIENT_KEY, signToken, type Keys } from './sign.ts'

/** Plays the steps of a case, and says what a guard did that it must not do. */

export interface Stage {
  adapter: Adapter
  clock: Clock
  keys: Keys
  staleAfterSeconds: number
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
const ENTRY_SECONDS = 3660

/** A broker and what a guard did to it so far. */
export class Play {
  readonly broker: FakeBroker
  readonly #stage: Stage
  /** Connections that steps have asked about. */
  #connectionsSeen = 0
  #started = false

  constructor(stage: Stage) {
    this.#stage = stage
    this.broker = new FakeBroker(stage.keys, stage.clock, stage.staleAfterSeconds)
  }

  async start(): Promise<void> {
    await this.broker.start()
  }
  async stop(): Promise<void> {
    try {
      if (this.#started) await this.#stage.adapter.ask({ do: 'stop' }).catch(() => {})
    } finally {
      await this.broker.stop()
    }
  }

  async #startGuard({ by, poll_seconds }: Extract<Step, { do: 'start' }>): Promise<void> {
    this.#started = true
    this.broker.clientBy = by ?? 'secret'
    const { adapter, keys, staleAfterSeconds } = this.#stage
    const { client_secret, ...client } = CLIENT
    const credential = by === 'key' ? { client_key: keys[CLIENT_KEY] ?? {} } : { client_secret }
    const settings = {
      guard: 'conformance-1',
      stale_after_seconds: staleAfterSeconds,
      ...(poll_seconds !== undefined && { poll_seconds }),
    }
    await adapter.ask({
      do: 'start',
      issuer: this.broker.issuer,
      ...client,
      ...credential,
      ...settings,
    })
  }

  /** @returns what went wrong, if anything did */
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
      case 'logout':
        return this.#decision(step)
      case 'raw':
        await this.#raw(step.pieces)
        return undefined
      case 'expect_connection':
        return this.#connection(step)
      case 'expect_report':
        return this.#report(step)
      default:
        this.#happens(step)
        return undefined
    }
  }

  #happens(
    step: Extract<Step, { do: 'revoke' | 'send' | 'broker' | 'fill' | 'cut' | 'live' }>,
  ): void {
    const { broker } = this
    const exp = broker.now + ENTRY_SECONDS
    switch (step.do) {
      case 'revoke':
        broker.append(
          { ...step.members, seq: step.seq, selector: step.selector, exp },
          { send: step.unsent !== true },
        )
        break
      case 'send':
        broker.send(step.event, step.data, step.id)
        break
      case 'broker':
        // The address of the fake broker is known only now.
        broker.set(
          step.set.issuer === '$ISSUER' ? { ...step.set, issuer: broker.issuer } : step.set,
        )
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
      case 'live':
        broker.live()
    }
  }

  async #raw(pieces: string[]): Promise<void> {
    const exp = String(this.broker.now + ENTRY_SECONDS)
    await this.broker.rawInPieces(
      pieces.map((piece) => piece.replaceAll('$EXP', exp)),
      () => pause(this.#stage.clock, BETWEEN_MS, NEVER),
    )
  }

  /** The first answer counts where the case says so; else the guard has time to come to it. */
  async #decision(step: Extract<Step, { do: 'check' | 'logout' }>): Promise<string | undefined> {
    const expected: string[] = [step.expect].flat()
    const never = step.do === 'check' ? step.never : undefined
    let answered = ''
    if (step.do === 'check' && step.for_ms !== undefined) {
      const differs = await this.#until(
        async () => !expected.includes((answered = await this.#ask(step))),
        step.for_ms,
      )
      return differs
        ? `expected ${expected.join(' or ')} for ${step.for_ms} ms, and the guard answered ${answered}`
        : undefined
    }
    const settled = await this.#until(async () => {
      answered = await this.#ask(step)
      return expected.includes(answered) || step.at_once === true || answered === never
    })
    if (expected.includes(answered)) return undefined
    return `expected ${expected.join(' or ')}, and the guard answered ${answered}${settled ? '' : ` for ${this.#waitMs / 1000} s`}`
  }

  async #ask(step: Extract<Step, { do: 'check' | 'logout' }>): Promise<string> {
    const { adapter, keys } = this.#stage
    const { issuer, now } = this.broker
    const token = signToken(step.do === 'check' ? 'access' : 'logout', step.token, {
      issuer,
      keys,
      now,
    })
    const { status = 0 } = await adapter.ask(
      step.do === 'check' ? { do: 'check', token } : { do: 'logout', logout_token: token },
    )
    return (step.do === 'check' ? DECISIONS : LOGOUT_DECISIONS)[status] ?? `status ${status}`
  }

  async #connection({
    resumes,
    within_ms: withinMs = WAIT_MS,
  }: Extract<Step, { do: 'expect_connection' }>): Promise<string | undefined> {
    const { connections } = this.broker
    if (!(await this.#until(() => connections.length > this.#connectionsSeen, withinMs)))
      return `no new connection within ${withinMs / 1000} s`
    const connection = connections.at(-1)
    this.#connectionsSeen = connections.length
    if (resumes === undefined) return undefined
    const { lastEventId = '' } = connection ?? {}
    const [, epoch, seq] = /^(.*)\.(\d+)$/.exec(lastEventId) ?? []
    if (epoch === resumes.epoch && Number(seq) <= resumes.at_most) return undefined
    return `expected a Last-Event-ID of ${resumes.epoch} and at most ${resumes.at_most}, and it was ${JSON.stringify(lastEventId)}`
  }

  async #report({
    epoch,
    seq,
    answered = 204,
  }: Extract<Step, { do: 'expect_report' }>): Promise<string | undefined> {
    const wanted = { epoch, seq, guard: 'conformance-1', answered }
    const { reports } = this.broker
    const isWanted = (report: (typeof reports)[number]): boolean =>
      isDeepStrictEqual(
        { epoch: report.epoch, seq: report.seq, guard: report.guard, answered: report.answered },
        wanted,
      )
    if (await this.#until(() => reports.some(isWanted))) return undefined
    return `no report ${JSON.stringify(wanted)}; the last was ${JSON.stringify(reports.at(-1) ?? null)}`
  }

  get #waitMs(): number {
    return WAIT_MS + this.#stage.staleAfterSeconds * 1000
  }

  async #until(isSo: () => boolean | Promise<boolean>, withinMs = this.#waitMs): Promise<boolean> {
    const { clock } = this.#stage
    const until = clock.monotonicMs() + withinMs
    while (!(await isSo())) {
      if (clock.monotonicMs() >= until) return false
      await pause(clock, BETWEEN_MS, NEVER)
    }
    return true
  }
}

const NEVER = new AbortController().signal

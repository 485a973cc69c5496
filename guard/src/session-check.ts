import type { BrokerClock } from './broker-clock.ts'
import type { Broker, SessionAnswer } from './broker.ts'
import type { Clock } from './clock.ts'
import type { FeedReader } from './feed-reader.ts'
import type { Holdable } from './holds.ts'
import type { Lease } from './lease.ts'
import type { Ledger } from './ledger.ts'
import type { Settings } from './options.ts'
import { isSeq, isText, isTime, type ReasonClass } from './selector.ts'
import { SharedQuestions } from './shared-questions.ts'

/**
 * The claims of an ID token that an instance keeps with the session that the token opened. Other
 * members are ignored.
 */
export interface SessionClaims {
  readonly iss: string
  readonly aud: string | readonly string[]
  readonly sub: string
  readonly sid: string
  /** Absent in ID tokens of brokers before 1.0.0. */
  readonly tenant?: string | undefined
  /** The head of the broker's log when the ID token was authorized. Absent as `tenant`. */
  readonly rev?: number | undefined
  readonly iat: number
  /** Epoch seconds at which the session ends at the latest. */
  readonly session_expiry: number
}

/** The verdict about an instance's own session. */
export type SessionState = LiveSession | EndedSession | UnknownSession

interface LiveSession {
  state: 'live'
  /** No revocation up to this `seq` has ended the session. */
  rev: number
}
/** The instance ends its session. */
export interface EndedSession {
  state: 'ended'
  /** `invalid`: these are not the claims of an ID token of this broker for this client. */
  why: 'revoked' | 'expired' | 'invalid'
  /** Why it was revoked, for the user to read, where the broker has said it. */
  reasonClass?: ReasonClass | undefined
}
/** The guard cannot know now. The instance answers 503 and keeps its session. */
export interface UnknownSession {
  state: 'unknown'
  why: 'starting' | 'no_lease' | 'not_known'
  description: string
}

interface SessionParts {
  broker: Broker
  brokerClock: BrokerClock
  /** Polls the broker if the last answer is too old. Undefined if a stream brings the log. */
  catchUp: (() => Promise<void> | undefined) | undefined
  clock: Clock
  feed: FeedReader
  lease: Lease
  ledger: Ledger
  /** Informs the guard that the broker's log is as far as `rev`. */
  onIssued: (rev: number) => void
  settings: Settings
  stopping: AbortSignal
}

interface Knowledge {
  /** True if the broker has answered that the session is not active. */
  isRevoked: boolean
  /** The `rev` of the ID token, unless it may be of a former log. */
  own: number | undefined
  /** The `rev` of the broker's answer. */
  told: number | undefined
  /** The higher of both. Nothing up to there has ended the session that entries do not tell. */
  known: number
  session_expiry: number
}

/** The most questions that wait for the broker at once. */
const MOST_ASKING = 200
/** The most answers that are remembered, about 20 MB. */
const MOST_ANSWERS = 100_000

const DESCRIPTIONS: Record<UnknownSession['why'], string> = {
  starting: 'The guard has not heard from the broker yet. Try again in a moment.',
  no_lease: 'The guard does not know what is revoked: it holds no lease.',
  not_known: 'The broker cannot be asked whether the session is revoked. Try again in a moment.',
}
const unknown = (why: UnknownSession['why']): UnknownSession => ({
  state: 'unknown',
  why,
  description: DESCRIPTIONS[why],
})
const ended = (why: EndedSession['why'], reasonClass?: ReasonClass): EndedSession =>
  reasonClass === undefined ? { state: 'ended', why } : { state: 'ended', why, reasonClass }

/**
 * Decides whether an instance's own session is live, by what its ID token said. Answers from memory
 * where the log since the ID token is known, and else asks the broker once.
 */
export class SessionChecker {
  readonly counters = { sessionChecks: 0, sessionsAsked: 0 }
  readonly #parts: SessionParts
  readonly #questions: SharedQuestions<SessionAnswer>
  /** The broker's answers since the last reset, the oldest first. */
  readonly #answers = new Map<string, SessionAnswer>()
  #resets = 0

  constructor(parts: SessionParts) {
    this.#parts = parts
    this.#questions = new SharedQuestions(parts.clock)
  }

  async check(given: object): Promise<SessionState> {
    this.counters.sessionChecks++
    const { catchUp } = this.#parts
    if (catchUp !== undefined) await catchUp()
    const session = this.#read(given)
    if (session === undefined) return ended('invalid')
    const verdict = this.#judge(session, false)
    return verdict === 'ask' ? this.#askAndJudge(session) : verdict
  }

  async #askAndJudge(session: SessionClaims): Promise<SessionState> {
    const { feed, lease } = this.#parts
    const { resets } = feed.counters
    let answer: SessionAnswer
    try {
      answer = await this.#ask(session)
    } catch {
      return unknown(lease.held ? 'not_known' : 'no_lease')
    }
    // An answer of a former log says nothing about this one.
    if (resets !== feed.counters.resets) return unknown('starting')
    this.#remember(session, answer)
    // The feed may have brought a revocation in the meantime, which decides and has the reason.
    const after = this.#judge(session, true)
    if (!answer.active) return after !== 'ask' && after.state === 'ended' ? after : ended('revoked')
    return after === 'ask' ? unknown('not_known') : after
  }

  /** Returns a session for `Holds`. It is held only while entries alone tell that it is live. */
  holdable(given: object): Holdable {
    const session = this.#read(given)
    if (session === undefined)
      return { bearer: { rev: 0 }, ended: () => 'revoked', secondsLeft: () => 0 }
    const { brokerClock, settings } = this.#parts
    const { known, session_expiry, told } = this.#knowledge(session)
    const iat = told === undefined ? session.iat : brokerClock.now()
    const held = { ...session, rev: known, iat, session_expiry }
    return {
      bearer: this.#bearer(held, known),
      ended: () => {
        const verdict = this.#judgeLog(held, false)
        if (verdict === 'ask' || verdict.state === 'unknown') return 'no_lease'
        if (verdict.state === 'live') return undefined
        return verdict.why === 'expired' ? 'expired' : 'revoked'
      },
      secondsLeft: () => session_expiry + settings.clockToleranceSeconds - brokerClock.now(),
    }
  }

  /** Reads the claims. Returns undefined if they are not those of an ID token for this client. */
  #read(given: object): SessionClaims | undefined {
    const session = given as Partial<Record<keyof SessionClaims, unknown>> | null | undefined
    if (typeof session !== 'object' || session === null) return undefined
    const { aud, iat, iss, rev, session_expiry, sid, sub, tenant } = session
    const { clientId, issuer } = this.#parts.settings
    const audiences: unknown[] = Array.isArray(aud) ? aud : [aud]
    const isValid =
      iss === issuer &&
      audiences.length > 0 &&
      audiences.every((each) => each === clientId) &&
      isText(sub) &&
      isText(sid) &&
      isTime(iat) &&
      isTime(session_expiry) &&
      (tenant === undefined || isText(tenant)) &&
      (rev === undefined || isSeq(rev))
    return isValid ? { iss, aud: clientId, sub, sid, tenant, rev, iat, session_expiry } : undefined
  }

  /**
   * Judges a session without waiting. Returns `ask` if the broker must answer first.
   * @param answered true if the broker has answered this request
   */
  #judge(session: SessionClaims, answered: boolean): SessionState | 'ask' {
    const { lease, onIssued, settings } = this.#parts
    const verdict = this.#judgeLog(session, answered)
    if (verdict !== 'ask' && verdict.state !== 'live') return verdict
    if (!lease.held) {
      if (settings.withoutLease === 'reject') return unknown('no_lease')
      if (!answered) return 'ask'
    }
    if (verdict !== 'ask') onIssued(verdict.rev)
    return verdict
  }

  /** Judges a session by the log and the clock, whether or not there is a lease. */
  #judgeLog(session: SessionClaims, answered: boolean): SessionState | 'ask' {
    const { brokerClock, feed, ledger, settings } = this.#parts
    if (!feed.ready || ledger.completeFrom === undefined) return unknown('starting')
    const { isRevoked, known, own, session_expiry: end, told } = this.#knowledge(session)
    const until = end + settings.clockToleranceSeconds
    const isPastAtBroker = until <= brokerClock.now()
    if (until <= brokerClock.earliest() || (isPastAtBroker && isRevoked)) return ended('expired')
    const from = own ?? told
    const ending = from === undefined ? undefined : ledger.ending(this.#bearer(session, from))
    if (ending !== undefined) return ended('revoked', ending.reasonClass)
    if (isRevoked) return ended('revoked')
    // One wrong clock ends no session, but what covers this one may be forgotten.
    const isPastAtOne = until <= brokerClock.latest() || end < ledger.sweptAt
    if (isPastAtOne && !answered) return 'ask'
    const { completeFrom, cutoffSeq = 0, tenantSeq } = ledger
    const needed = Math.max(completeFrom, cutoffSeq, session.tenant === undefined ? tenantSeq : 0)
    // Without its tenant it may be of one that the log does not bring.
    const brings = ledger.bringsAll(session.tenant === undefined ? undefined : [session.tenant])
    const isComplete = from !== undefined && known >= needed && brings
    return isComplete ? { state: 'live', rev: known } : 'ask'
  }

  /** Returns what is known of a session by its ID token and by the broker's answer, if any. */
  #knowledge(session: SessionClaims): Knowledge {
    const { iat, rev, session_expiry } = session
    const answer = this.#answerTo(session)
    const isOfThisLog = rev !== undefined && !this.#parts.ledger.isOfFormerLog({ rev, iat })
    const own = isOfThisLog ? rev : undefined
    if (answer?.active !== true)
      return {
        isRevoked: answer !== undefined,
        own,
        told: undefined,
        known: own ?? 0,
        session_expiry,
      }
    return {
      isRevoked: false,
      own,
      told: answer.rev,
      known: Math.max(own ?? 0, answer.rev),
      session_expiry: Math.min(session_expiry, answer.sessionExpiry),
    }
  }

  #bearer({ sid, sub, tenant }: SessionClaims, rev: number): Holdable['bearer'] {
    return { sid, sub, client_id: this.#parts.settings.clientId, tid: tenant, rev }
  }

  /**
   * Asks the broker about a session.
   * @throws Error if there is no answer, or too many questions wait for one
   */
  #ask(session: SessionClaims): Promise<SessionAnswer> {
    const { broker, stopping } = this.#parts
    return this.#questions.ask(keyOf(session), () => {
      if (this.#questions.size >= MOST_ASKING) throw new Error('too many sessions are asked about')
      this.counters.sessionsAsked++
      const { sid, sub } = session
      const { own: rev } = this.#knowledge(session)
      return broker.askSession({ sid, sub, rev }, stopping)
    })
  }

  #answerTo(session: SessionClaims): SessionAnswer | undefined {
    const { resets } = this.#parts.feed.counters
    if (this.#resets !== resets) {
      this.#answers.clear()
      // A later request shares no question to the former log.
      this.#questions.clear()
    }
    this.#resets = resets
    return this.#answers.size === 0 ? undefined : this.#answers.get(keyOf(session))
  }

  #remember(session: SessionClaims, answer: SessionAnswer): void {
    const key = keyOf(session)
    this.#answers.delete(key)
    this.#answers.set(key, answer)
    if (this.#answers.size <= MOST_ANSWERS) return
    const [oldest = ''] = this.#answers.keys()
    this.#answers.delete(oldest)
  }
}

/** Returns the key of an answer. A later ID token of the same session is another question. */
const keyOf = ({ iat, rev, sid, sub }: SessionClaims): string => `${sid}\n${sub}\n${rev}\n${iat}`

import type { Delivery } from '../../db/types.ts'
import type { Answer, Verdict } from './retry.ts'

/** What makes one kind of outbox message: payload, signature and rules of success. Lanes, retries, breakers, proof and redrive are the same for all. */
export interface MessageKind {
  /** The request of one attempt, made and signed for it alone. `rejected`: why it may not be sent at all. `held`: not now; its stream releases it later. */
  mint(delivery: Delivery, now: number): Promise<Minted | { rejected: string } | { held: true }>
  /** Sends it; not there: a POST to the delivery's address. */
  send?(delivery: Delivery, minted: Minted, limits: Limits): Promise<Answer>
  /** What the receiver's answer means. */
  judge(answer: Answer, now: number): Verdict
  /** Called once a delivery is recorded as delivered. */
  delivered?(delivery: Delivery): Promise<void>
}

/** Of one attempt. */
interface Limits {
  timeoutMs: number
  signal: AbortSignal | undefined
}

export interface Minted {
  headers: Record<string, string>
  body: string
  /** The id of the message, for the proof. */
  jti: string
}

import type { Delivery } from '../../db/types.ts'
import type { Answer, Verdict } from './retry.ts'

/** What makes one kind of outbox message: payload, signature and rules of success. Lanes, retries, breakers, proof and redrive are the same for all. */
export interface MessageKind {
  /** The request of one attempt, made and signed for it alone. */
  mint(delivery: Delivery, now: number): Promise<Minted>
  /** What the receiver's answer means. */
  judge(answer: Answer, now: number): Verdict
}

export interface Minted {
  headers: Record<string, string>
  body: string
  /** The id of the message, for the proof. */
  jti: string
}

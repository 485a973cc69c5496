import { AuthError } from '@azure/msal-node'
import type { Config } from '../config/config.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { answerOfBody, rejectionOf } from './aadsts.ts'
import type { Connection } from './connection.ts'
import { MicrosoftRejection } from './interface.ts'
import { type Fetch, MicrosoftUnreachable, type Transport } from './transport.ts'

/**
 * What every request to Microsoft needs, and what its failure is: an outage, a refusal, or a bug.
 */

export interface Need {
  config: Pick<Config, 'entra' | 'issuer'> & {
    signals?: Pick<Config['signals'], 'graph'> | undefined
  }
  /** What is connected now: read again for each request. */
  connection: () => Connection
  clock: Clock
  log: Log
  fetch: Fetch
}

/**
 * `offline_access`: the refresh token is how the broker learns later that Microsoft has revoked or
 * disabled a user.
 */
export const SCOPES = ['openid', 'profile', 'email', 'offline_access']

export const outage = (cause: unknown): never => {
  throw new MicrosoftRejection('outage', {
    effect: 'nothing',
    cause,
    retryAfterSeconds: cause instanceof MicrosoftUnreachable ? cause.retryAfterSeconds : undefined,
  })
}

/**
 * What MSAL threw, judged by what Microsoft answered. Whatever is neither is a bug and stays one.
 */
export function rejected(error: unknown, transport: Transport): never {
  if (transport.outage) return outage(transport.outage)
  const answer = transport.answer
  if (answer && (answer.status >= 400 || typeof answer.body.error === 'string'))
    throw rejectionOf(answerOfBody(answer.body), error)
  if (answer && error instanceof AuthError)
    throw new MicrosoftRejection('untrusted_token', { effect: 'nothing', cause: error })
  throw error
}

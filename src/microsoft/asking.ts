import { AuthError } from '@azure/msal-node'
import type { Config } from '../config/config.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { answerOfBody, rejectionOf } from './aadsts.ts'
import type { Connection } from './connection.ts'
import { MicrosoftRejection } from './interface.ts'
import { type Fetch, MicrosoftUnreachable, type Transport } from './transport.ts'

/**
 * The dependencies of every request to Microsoft, and the classification of a failure: an outage, a
 * rejection, or a bug.
 */

export interface Need {
  config: Pick<Config, 'entra' | 'issuer'> & {
    signals?: Pick<Config['signals'], 'graph'> | undefined
  }
  /** Returns the current connection. Called for each request. */
  connection: () => Connection
  clock: Clock
  log: Log
  fetch: Fetch
}

/**
 * The scopes of a sign-in. `offline_access` is needed because the use of the refresh token shows
 * later that Microsoft has revoked or disabled a user.
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
 * Throws the rejection or outage behind an error of MSAL, as Microsoft's answer shows it. Any other
 * error is a bug and is thrown unchanged.
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

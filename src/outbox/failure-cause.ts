import { AddressRejected } from '../runtime/outbound.ts'

/** Why a request to a registered address got no answer: for operators, by what they have to look at. Never what a receiver wrote. */

export type FailureCause = 'connection_refused' | 'dns' | 'timeout' | 'certificate' | 'connection_lost' | 'address_not_allowed' | 'other'

export interface Failure {
  cause: FailureCause
  /** One line in words, with the code of the system. */
  text: string
}

const BY_CODE: readonly [pattern: RegExp, cause: FailureCause, words: string][] = [
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN)$/, 'connection_refused', 'connection refused or unreachable'],
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, 'dns', 'the host name does not resolve'],
  [/^(ETIMEDOUT|ESOCKETTIMEDOUT|UND_ERR_\w*TIMEOUT)$/, 'timeout', 'no answer in time'],
  [/CERT|^(ERR_TLS|ERR_SSL|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|EPROTO)/, 'certificate', 'TLS failed: the certificate is not trusted'],
  [/^(ECONNRESET|EPIPE|ECONNABORTED|UND_ERR_SOCKET|UND_ERR_CLOSED|HPE_\w+)$/, 'connection_lost', 'the connection was closed before an answer'],
]

export function failureOf(error: unknown): Failure {
  if (error instanceof AddressRejected) return { cause: 'address_not_allowed', text: error.message }
  const code = codeOf(error)
  const known = BY_CODE.find(([pattern]) => code !== undefined && pattern.test(code))
  if (known !== undefined) return { cause: known[1], text: `${known[2]} (${code})` }
  const message = error instanceof Error ? `${error.name}: ${error.message}`.slice(0, 200) : 'unknown error'
  // The time limit of a request aborts it with an error of our own words.
  if (message.includes('no answer within')) return { cause: 'timeout', text: 'no answer in time' }
  return { cause: 'other', text: code === undefined ? message : `${message} (${code})` }
}

function codeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; typeof at === 'object' && at !== null && depth < 3; at = (at as { cause?: unknown }).cause, depth++) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string') return code
  }
  return undefined
}

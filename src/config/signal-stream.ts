import { readFileSync } from 'node:fs'
import { z } from 'zod'

/**
 * The member `stream` of an issuer of signals: the stream that the broker creates at that
 * transmitter, and the credentials it uses there.
 */

export interface StreamSettings {
  /** The delivery method. `none`: the broker deletes its stream there. */
  delivery: 'push' | 'poll' | 'none'
  /**
   * The status that the broker sets at the transmitter. If undefined, it does not change the
   * status.
   */
  status?: 'enabled' | 'paused' | undefined
  /** The event types that the stream requests. If undefined, every type that the broker acts on. */
  events: string[] | undefined
  configurationUri: string
  authorization:
    | { kind: 'token'; token: string }
    | {
        kind: 'client'
        tokenEndpoint: string
        clientId: string
        secret: string
        scope: string | undefined
      }
}

const secret = { value: z.string().min(1).optional(), file: z.string().min(1).optional() }

export const streamShape = z.strictObject({
  delivery: z.enum(['push', 'poll', 'none']),
  status: z.enum(['enabled', 'paused']).optional(),
  events: z.array(z.string().min(1).max(500)).min(1).max(50).optional(),
  configuration_uri: z.url().optional(),
  token: secret.value,
  token_file: secret.file,
  token_endpoint: z.url().optional(),
  client_id: z.string().min(1).optional(),
  client_secret: secret.value,
  client_secret_file: secret.file,
  scope: z.string().min(1).optional(),
})

type Given = z.output<typeof streamShape>
type Add = (problem: string) => void

/**
 * Validates the member `stream` of an issuer and reads its secrets.
 * @param add receives each problem of this stream
 */
export function readStream(
  given: Given,
  issuer: string,
  { allowLoopback, add }: { allowLoopback: boolean; add: Add },
): StreamSettings | undefined {
  const configurationUri = given.configuration_uri ?? wellKnown(issuer)
  const authorization = authorizationOf(given, add)
  for (const url of [configurationUri, given.token_endpoint])
    if (url !== undefined && !url.startsWith('https://') && !allowLoopback)
      add('configuration_uri and token_endpoint of stream must be https')
  const { delivery, status, events } = given
  return authorization && { delivery, status, events, configurationUri, authorization }
}

/**
 * Returns the address of the transmitter's configuration: SSF 1.0 §7.2 puts the well-known part
 * between the host and the path of the issuer.
 */
function wellKnown(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/ssf-configuration${pathname === '/' ? '' : pathname}`
}

function authorizationOf(given: Given, add: Add): StreamSettings['authorization'] | undefined {
  const { client_id: clientId, token_endpoint: tokenEndpoint, scope } = given
  const token = secretOf('token', given.token, given.token_file, add)
  if (clientId === undefined && tokenEndpoint === undefined) {
    if (token === undefined)
      add('stream needs token_file, or client_id, client_secret_file and token_endpoint')
    return token === undefined ? undefined : { kind: 'token', token }
  }
  const clientSecret = secretOf('client_secret', given.client_secret, given.client_secret_file, add)
  if (token !== undefined) add('stream has a token and a client_id; remove one of them')
  if (clientId !== undefined && tokenEndpoint !== undefined && clientSecret !== undefined)
    return { kind: 'client', tokenEndpoint, clientId, secret: clientSecret, scope }
  add(
    'stream with client_id or token_endpoint needs client_id, client_secret_file and token_endpoint',
  )
  return undefined
}

function secretOf(
  name: string,
  value: string | undefined,
  file: string | undefined,
  add: Add,
): string | undefined {
  if (value !== undefined && file !== undefined)
    add(`stream has ${name} and ${name}_file; remove one of them`)
  const found = value ?? (file === undefined ? undefined : read(`${name}_file`, file, add))
  if (found === undefined || /^[\x21-\x7e]+$/.test(found)) return found
  add(`${name} of stream must be one line of printable ASCII without spaces`)
  return undefined
}

function read(name: string, file: string, add: Add): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    add(
      `${name} of stream names ${file}, which cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'error'}`,
    )
    return undefined
  }
}

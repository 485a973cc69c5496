import { readFile } from 'node:fs/promises'
import { adminAudience } from '../../protocol/names.ts'
import { type Answered, type Broker, brokerBy, CommandFailure, EXIT, misused } from './broker.ts'
import type { Terminal } from './terminal.ts'
import { SAYS } from './texts/answers.ts'

/**
 * A broker on another machine: the admin API over HTTPS, with a token for the client's own
 * credentials.
 */

/**
 * The options for a remote broker, which override the environment. The secret itself is never an
 * option, only the file that holds it, because other users of the machine can read a process's
 * arguments.
 */
export interface RemoteOptions {
  url?: string | undefined
  issuer?: string | undefined
  clientId?: string | undefined
  secretFile?: string | undefined
}

/** Returns the remote broker's address. Undefined: the broker of this machine. */
export const remoteUrl = ({ env }: Terminal, { url }: RemoteOptions): string | undefined =>
  url ?? (env.CMB_URL || undefined)

interface Remote {
  url: string
  issuer: string
  clientId: string
  secret: string
}

/**
 * Gets a token and returns the remote broker.
 * @throws CommandFailure 2 with all missing or wrong options, 1 if the client gets no token, 3 if
 * no broker answers
 */
export async function openRemote(terminal: Terminal, options: RemoteOptions): Promise<Broker> {
  const remote = await readRemote(terminal, options)
  const token = await tokenOf(remote)
  return brokerBy(async (method, path, body, timeoutMs) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    return ask(`${remote.url}/admin/v1${path}`, { method, headers, body: body ?? null }, timeoutMs)
  })
}

async function readRemote({ env }: Terminal, options: RemoteOptions): Promise<Remote> {
  const problems: string[] = []
  const address = (value: string | undefined, name: string): string => {
    const parsed = URL.canParse(value ?? '') ? new URL(value ?? '') : undefined
    if (
      parsed === undefined ||
      parsed.pathname !== '/' ||
      parsed.search !== '' ||
      parsed.username !== ''
    )
      problems.push(`${name} must be an address without a path, such as https://broker.example.`)
    else if (parsed.protocol !== 'https:' && !LOOPBACK.has(parsed.hostname))
      problems.push(`${name} must be https (http is accepted for localhost only).`)
    return parsed?.origin ?? ''
  }
  const url = address(
    options.url ?? env.CMB_URL,
    '--url (CMB_URL), the address of the operators’ listener,',
  )
  const issuer = address(
    options.issuer ?? env.CMB_ISSUER,
    '--issuer (CMB_ISSUER), the broker’s public address,',
  )
  const clientId = options.clientId ?? env.CMB_CLIENT_ID ?? ''
  if (clientId === '') problems.push(SAYS.no_client)
  const file = options.secretFile ?? env.CMB_CLIENT_SECRET_FILE
  const secret =
    file === undefined
      ? (env.CMB_CLIENT_SECRET ?? '')
      : await readFile(file, 'utf8').catch(
          ({ code, message }: NodeJS.ErrnoException) =>
            void problems.push(`--secret-file: ${file} cannot be read (${code ?? message}).`),
        )
  if (secret?.trim() === '') problems.push(SAYS.no_secret)
  if (problems.length > 0)
    throw misused(['The broker on another machine cannot be asked:', ...problems].join('\n  '))
  return { url, issuer, clientId, secret: secret?.trim() ?? '' }
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Gets a token by client_credentials (RFC 6749 §4.4), with the secret in the header (§2.3.1). The
 * secret goes to the issuer alone.
 */
async function tokenOf({ issuer, clientId, secret }: Remote): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64')}`
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    resource: adminAudience(issuer),
  }).toString()
  const answer = await ask(
    `${issuer}/token`,
    {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/x-www-form-urlencoded' },
      body,
    },
    60_000,
  )
  const read = parsed(answer.body)
  if (answer.status === 200 && read.access_token !== undefined) return read.access_token
  throw new CommandFailure(
    EXIT.failed,
    `${issuer} gives the client ${clientId} no access token. ${read.error_description ?? `It answered ${answer.status}.`}`,
  )
}

function parsed(body: string): { access_token?: string; error_description?: string } {
  try {
    return JSON.parse(body) as ReturnType<typeof parsed>
  } catch {
    return {}
  }
}

/**
 * Sends a request without following redirects, because the credential is for the named address
 * alone.
 */
async function ask(address: string, init: RequestInit, timeoutMs: number): Promise<Answered> {
  try {
    const answer = await fetch(address, {
      ...init,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    return { status: answer.status, body: await answer.text() }
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error & { code?: string } }
    throw new CommandFailure(
      EXIT.notRunning,
      SAYS.no_address(new URL(address).origin, cause?.code ?? cause?.message ?? message),
    )
  }
}

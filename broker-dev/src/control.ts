import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import type { Entra } from '../../demo/entra/entra.ts'
import type { User } from '../../demo/entra/users.ts'
import type { Caller } from '../../src/audit/caller.ts'
import { Problem } from '../../src/audit/problem.ts'
import { ask } from '../../src/operations/contract/ask.ts'
import type { Deps } from '../../src/deps.ts'
import { equalInConstantTime } from '../../src/runtime/compare.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { encodeSelector } from '../../src/protocol/selector.ts'
import type { Facts, Revoked, RevokeRequest, SignedIn, SignInRequest } from './api.ts'
import type { DevClients } from './clients.ts'
import { ControlError } from './control-error.ts'
import { signIn } from './sign-in.ts'

/**
 * `POST /_control/…`: signs users in and revokes, for tests. It listens on the loopback interface
 * only, requires a secret that is new at each start, and rejects every request from a browser, so
 * that a page of another site cannot sign a user in.
 */

export interface ControlDeps {
  deps: Deps
  entra: Entra
  clients: DevClients
  issuer: string
}

const HEADER: Facts['control']['header'] = 'X-Control-Secret'
const MAX_BODY = 64 * 1024

const text = z.string().min(1).max(500)
const signInBody: z.ZodType<SignInRequest> = z.strictObject({
  user: text,
  client: text.exactOptional(),
  scope: text.exactOptional(),
  resource: text.exactOptional(),
  session: text.exactOptional(),
})
const revokeBody: z.ZodType<RevokeRequest> = z.union(
  [
    z.strictObject({ user: text }),
    z.strictObject({ session: text }),
    z.strictObject({ client: text }),
    z.strictObject({ tenant: text }),
    z.strictObject({ everything: z.literal(true) }),
  ],
  {
    error:
      'Give one of user, session (a sid), client, tenant (a domain or an id), everything (true).',
  },
)

const CALLER: Caller = {
  actor: { kind: 'operator', id: 'broker-dev' },
  source: 'command',
  via: 'command',
  may: 'administer',
}

export async function serveControl(
  control: ControlDeps,
  port: number,
): Promise<Facts['control'] & { close(): Promise<void> }> {
  const secret = randomBytes(32).toString('base64url')
  const server = createServer((request, response) => void answer(request, response))
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const { port: own } = server.address() as AddressInfo
      send(response, 200, await perform(control, request, { secret, port: own }))
    } catch (error) {
      const known = error instanceof ControlError ? error : undefined
      if (known === undefined) control.deps.log.error('control_failed', { cause: error })
      const said = known ?? {
        status: 500,
        code: 'server_error',
        message: 'broker-dev failed. Its log says why.',
      }
      send(response, said.status, { error: said.code, message: said.message })
    }
  }
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    header: HEADER,
    secret,
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response
    .writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
    .end(JSON.stringify(body))
}

async function perform(
  control: ControlDeps,
  request: IncomingMessage,
  own: { secret: string; port: number },
): Promise<unknown> {
  admit(request, own)
  const { pathname } = new URL(request.url ?? '', 'http://localhost')
  if (pathname !== '/_control/sign-in' && pathname !== '/_control/revoke')
    throw new ControlError(404, 'not_found', 'Use POST /_control/sign-in or POST /_control/revoke.')
  if (request.method !== 'POST') throw new ControlError(405, 'method_not_allowed', 'Use POST.')
  const body = await bodyOf(request)
  return pathname === '/_control/sign-in'
    ? signedIn(control, parsed(signInBody, body))
    : revoked(control, parsed(revokeBody, body))
}

/**
 * Rejects requests from a browser, with a foreign `Host`, or without the secret.
 * @throws ControlError 403
 */
function admit(
  { headers }: IncomingMessage,
  { secret, port }: { secret: string; port: number },
): void {
  if (headers.origin !== undefined || headers['sec-fetch-site'] !== undefined)
    throw new ControlError(
      403,
      'browser',
      'A browser sent this request. Send it from test code, without Origin and Sec-Fetch-Site.',
    )
  // The domain of another site may resolve to this machine (DNS rebinding).
  if (!['localhost', '127.0.0.1'].some((name) => headers.host === `${name}:${port}`))
    throw new ControlError(403, 'host', `Use http://localhost:${port} or http://127.0.0.1:${port}.`)
  const shown = headers[HEADER.toLowerCase()]
  if (typeof shown !== 'string' || !equalInConstantTime(shown, secret))
    throw new ControlError(
      403,
      'secret',
      `The header ${HEADER} must have the secret that broker-dev printed at its start.`,
    )
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  let length = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length
    if (length > MAX_BODY)
      throw new ControlError(400, 'too_large', 'The body is larger than 64 KiB.')
    pieces.push(piece)
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString())
  } catch {
    throw new ControlError(400, 'not_json', 'The body is not valid JSON.')
  }
}

function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body)
  if (!result.success) throw new ControlError(400, 'invalid_body', z.prettifyError(result.error))
  return result.data
}

function userOf({ entra }: ControlDeps, username: string): User {
  const user = entra.world.userOf(username)
  if (user !== undefined) return user
  const known = entra.world.users().map(({ upn }) => upn)
  throw new ControlError(
    404,
    'unknown_user',
    `There is no user ${username}. Known users: ${known.slice(0, 20).join(', ')}.`,
  )
}

async function signedIn(control: ControlDeps, request: SignInRequest): Promise<SignedIn> {
  const user = userOf(control, request.user)
  const known = control.clients.known()
  const client = known.find(({ clientId }) => clientId === request.client)
  if (request.client !== undefined && client === undefined)
    throw new ControlError(
      404,
      'unknown_client',
      `There is no client ${request.client}. Known clients: ${known.map(({ clientId }) => clientId).join(', ')}.`,
    )
  return signIn(control, user, client, request)
}

async function revoked(control: ControlDeps, wanted: RevokeRequest): Promise<Revoked> {
  const selector = encodeSelector(await selectorOf(control, wanted))
  try {
    const answer = await ask(control, CALLER, 'POST /revocations', { selector })
    return answer.outcome === 'revoked'
      ? { outcome: 'revoked', seq: answer.seq }
      : { outcome: 'already' }
  } catch (error) {
    if (error instanceof Problem) throw new ControlError(404, 'unknown', error.message)
    throw error
  }
}

async function selectorOf(control: ControlDeps, wanted: RevokeRequest): Promise<Selector> {
  if ('session' in wanted) return { kind: 'session', sid: wanted.session }
  if ('client' in wanted) return { kind: 'client', clientId: wanted.client }
  if ('tenant' in wanted)
    return { kind: 'tenant', tid: control.entra.world.tenant(wanted.tenant)?.tid ?? wanted.tenant }
  if ('everything' in wanted) return { kind: 'everything' }
  const { tid, oid } = userOf(control, wanted.user)
  const subject = await control.deps.store.findSubjectByUser(tid, oid)
  if (subject === undefined)
    throw new ControlError(404, 'unknown_user', `${wanted.user} has not signed in yet.`)
  return { kind: 'subject', sub: subject.sub }
}

import { request } from 'node:http'
import { StoreUnavailable } from '../../../db/types.ts'
import { findSocket } from '../acts/socket-path.ts'
import type { Acts } from '../contract/acts.ts'
import type { Terminal } from './terminal.ts'
import { SAYS } from './texts/answers.ts'

/**
 * The running broker, called through the unix socket in its data directory, which only its own user
 * and root can open, or over HTTPS (remote.ts).
 */
export interface Broker {
  /**
   * Carries out an act of the admin API.
   * @param members of the request: those that the address names, and the others
   */
  ask<At extends Acts['at']>(at: At, members?: object, timeoutMs?: number): Promise<AnswerTo<At>>
  get<T = Json>(path: string): Promise<T>
  /** Returns an answer that is not a JSON document. */
  text(path: string): Promise<string>
  send<T = Json>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    timeoutMs?: number,
  ): Promise<T>
}
export type Json = Record<string, unknown>

type ActAt<At> = Extract<Acts, { at: At }>
/** The members of an act's request, without those that its address names. */
export type RequestOf<At> = ActAt<At>['input']
export type MemberOf<At> = KeyOf<RequestOf<At>>
type KeyOf<T> = T extends unknown ? keyof T & string : never
/** The answer to an act that is no dry run. */
export type AnswerTo<At> = Exclude<ActAt<At>['answer'], { dry_run: true }>

export interface Answered {
  status: number
  body: string
}
/** Sends one request. @param body as JSON */
type Ask = (
  method: string,
  path: string,
  body: string | undefined,
  timeoutMs: number,
) => Promise<Answered>

/** A failed command: its message and exit code. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode
  constructor(exitCode: ExitCode, words: string) {
    super(words)
    this.name = 'CommandFailure'
    this.exitCode = exitCode
  }
}

/** Returns the failure of a command that was typed wrongly. */
export const misused = (words: string): CommandFailure => new CommandFailure(EXIT.usage, words)

export const EXIT = { done: 0, failed: 1, usage: 2, notRunning: 3, unproven: 4 } as const
type ExitCode = (typeof EXIT)[keyof typeof EXIT]

const NOT_ALLOWED = new Set(['EACCES', 'EPERM', 'EROFS'])

/**
 * Throws the failure of a command that opens the store itself. The message never has a database
 * URL, which may hold a password.
 */
export function storeFailure(error: unknown): never {
  if (error instanceof StoreUnavailable) throw new CommandFailure(EXIT.failed, error.message)
  const { code = '', path, message } = error as NodeJS.ErrnoException
  if (path === undefined) throw error
  const may = SAYS.may_not(process.getuid?.() ?? 'unknown')
  throw new CommandFailure(
    EXIT.failed,
    NOT_ALLOWED.has(code) ? `${message}.\n${may}` : `${message}.`,
  )
}

/**
 * Returns the method, the path and the body of an act's request. Members that the address does not
 * name are in the query of a GET or DELETE, else in the body.
 */
export function requestOf(
  at: Acts['at'],
  members: object,
): [method: string, path: string, body: unknown] {
  const left = new Map<string, unknown>(
    Object.entries(members).filter(([, value]) => value !== undefined),
  )
  const [method = '', named = ''] = at.split(' ')
  const path = named.replaceAll(/:(\w+)/g, (_, name: string) => {
    const value = String(left.get(name))
    left.delete(name)
    return encodeURIComponent(value)
  })
  if (method !== 'GET' && method !== 'DELETE') return [method, path, Object.fromEntries(left)]
  const query = new URLSearchParams([...left].map(([name, value]) => [name, String(value)]))
  return [method, left.size > 0 ? `${path}?${query.toString()}` : path, undefined]
}

const TIMEOUT_MS = 60_000
/** Time limit of a long request, such as the evidence of a wide revocation. */
const LONG_MS = 3_600_000

/**
 * Returns a broker that sends requests by `ask`. @throws CommandFailure if the broker rejects a
 * request
 */
export function brokerBy(ask: Ask): Broker {
  const text = async (
    method: string,
    path: string,
    body?: unknown,
    timeoutMs = TIMEOUT_MS,
  ): Promise<string> => {
    const answer = await ask(
      method,
      path,
      body === undefined ? undefined : JSON.stringify(body),
      timeoutMs,
    )
    if (answer.status >= 400) throw rejection(answer)
    return answer.body
  }
  const call = async <T>(...request: Parameters<typeof text>): Promise<T> =>
    JSON.parse(await text(...request)) as T
  return {
    ask: (at, members = {}, timeoutMs = TIMEOUT_MS) => call(...requestOf(at, members), timeoutMs),
    get: (path) => call('GET', path),
    text: (path) => text('GET', path, undefined, LONG_MS),
    send: call,
  }
}

export async function openBroker(terminal: Terminal, dataDir: string): Promise<Broker> {
  const socketPath = await findSocket(dataDir)
  return brokerBy((method, path, body, timeout) => {
    const headers = {
      'x-cmb-user': terminal.user.replace(/[^\w.@-]/g, '_').slice(0, 64),
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    return exchange({ socketPath, method, path: `/admin/v1${path}`, headers, timeout }, body).catch(
      (error: NodeJS.ErrnoException) => {
        throw notReached(error, dataDir)
      },
    )
  })
}

function exchange(
  options: {
    socketPath: string
    method: string
    path: string
    headers: Record<string, string | number>
    timeout: number
  },
  body: string | undefined,
): Promise<Answered> {
  return new Promise((done, failed) => {
    // Keeps no connection, because the broker may restart before the next request.
    const out = request({ ...options, host: 'localhost', agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        done({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      )
      response.on('error', failed)
    })
    out.on('timeout', () =>
      out.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    )
    out.on('error', failed)
    out.end(body)
  })
}

function notReached({ code, message }: NodeJS.ErrnoException, dataDir: string): CommandFailure {
  const words =
    code === 'EACCES'
      ? SAYS.another_user(dataDir)
      : code === 'ETIMEDOUT'
        ? SAYS.no_answer(dataDir, TIMEOUT_MS / 1000)
        : SAYS.no_broker(dataDir, code ?? message)
  return new CommandFailure(EXIT.notRunning, words)
}

/** Returns the failure of an RFC 9457 answer: its detail, or each problem on its own line. */
function rejection({ status, body }: Answered): CommandFailure {
  try {
    const { title, detail, problems } = JSON.parse(body) as {
      title?: string
      detail?: string
      problems?: string[]
    }
    const lines =
      problems === undefined ? [detail ?? ''] : problems.map((problem) => `  ${problem}`)
    return new CommandFailure(
      EXIT.failed,
      // The API's words name its addresses, with the commands behind them.
      [`${title ?? `The broker answered ${status}`}:`, ...lines]
        .join('\n')
        .replace(/GET \/admin\/v1\/\S+ \((cmb [^)]+)\)/g, '$1'),
    )
  } catch {
    return new CommandFailure(EXIT.failed, SAYS.form_unknown(status))
  }
}

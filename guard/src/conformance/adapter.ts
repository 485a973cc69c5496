import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Clock } from '../clock.ts'
import type { Brought, Demand } from './shapes.ts'

/**
 * The connection of the kit to a guard in any language: JSON messages by the lines of a process, or
 * by HTTP (guard/conformance/README.md).
 */

export interface Start {
  do: 'start'
  issuer: string
  client_id: string
  /**
   * The secret of the client. A message has either this or `client_key`, a private JWK
   * (private_key_jwt).
   */
  client_secret?: string
  client_key?: object
  audience: string
  guard: string
  /** True to poll instead of following the stream. */
  poll?: true
  /** Asks the broker about each token while there is no lease. */
  without_lease?: 'introspect'
  /** True if the guard judges the instance's own sessions. */
  sessions?: true
  /** The address by which clients reach the API. Left out for a guard that verifies no proofs. */
  public_address?: string
}

/**
 * Moves the clocks of the guard. The members are the milliseconds by which its wall clock, its
 * monotonic clock and a clock that counts suspension go on at once. `wall_ms` may be negative.
 */
export interface Clocks {
  do: 'clock'
  wall_ms: number
  monotonic_ms: number
  elapsed_ms: number
}

export type Message =
  | Start
  | Clocks
  | ({ do: 'check'; token: string; request?: Brought } & Demand)
  | { do: 'session'; session: Record<string, unknown> }
  | { do: 'logout'; logout_token: string }
  | { do: 'stop' }

export interface Reply {
  status?: number
}

/** The adapter has ended, so that no further case can be run. */
export class AdapterGone extends Error {}

export interface Adapter {
  /**
   * Sends a message and returns the answer.
   * @throws Error if there is no answer, AdapterGone if there will be none
   */
  ask(message: Message): Promise<Reply>
  close(): Promise<void>
}

const ANSWER_MS = 15_000
const CLOSE_MS = 2000

/**
 * Opens an adapter.
 * @param given an http address, or the command of a process
 */
export const openAdapter = (given: string, clock: Clock): Adapter =>
  isAddress(given) ? overHttp(given) : overStdio(given, clock)

export const isAddress = (given: string): boolean => /^https?:\/\//.test(given)

function overHttp(address: string): Adapter {
  return {
    async ask(message) {
      const response = await fetch(address, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
        signal: AbortSignal.timeout(ANSWER_MS),
      }).catch((error: Error & { cause?: { code?: string } }) => {
        if (error.cause?.code === 'ECONNREFUSED')
          throw new AdapterGone(`No adapter listens at ${address}.`)
        throw error
      })
      if (!response.ok)
        throw new Error(
          `The adapter answered ${response.status} to ${message.do}; expected is 200 with a JSON object.`,
        )
      return (await response.json()) as Reply
    },
    async close() {},
  }
}

/**
 * Drives a process. If it has ended after it had answered, it is started again for the next case. One
 * that does not answer is killed.
 */
function overStdio(command: string, clock: Clock): Adapter {
  let running: Running | undefined
  return {
    async ask(message) {
      if (running === undefined || (running.ended !== undefined && running.answered))
        running = startProcess(command, clock)
      const { answered } = running
      return running.ask(message).catch((error: unknown) => {
        throw error instanceof AdapterGone && answered ? new Error(error.message) : error
      })
    },
    close: async () => running?.close(),
  }
}

interface Running extends Adapter {
  readonly answered: boolean
  readonly ended: Error | undefined
}

/** The functions that kill the processes which still run when the kit itself ends early. */
const killed = new Set<() => void>()
function onExit(kill: () => void): void {
  if (killed.size === 0)
    process.once('exit', () => {
      for (const each of killed) each()
    })
  killed.add(kill)
}

function startProcess(command: string, clock: Clock): Running {
  // A group of its own, so that what the shell has started is killed with it.
  const child = spawn(command, { shell: true, detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: { resolve: (answer: Reply) => void; reject: (error: Error) => void }[] = []
  let ended: Error | undefined
  let answered = false
  const end = (problem: string): void => {
    ended ??= new AdapterGone(problem)
    for (const { reject } of waiting.splice(0)) reject(ended)
  }
  const kill = (): void => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    } catch {
      // It has ended.
    }
    // A process that has left the group may hold it open.
    child.stdout.destroy()
  }
  onExit(kill)
  const exited = new Promise<void>((resolve) => {
    child.on('close', (code) => {
      killed.delete(kill)
      end(`The adapter ended with status ${code}. Its own messages are above.`)
      resolve()
    })
  })
  child.stdin.on('error', () => {})
  createInterface({ input: child.stdout }).on('line', (line) => {
    const next = waiting.shift()
    answered = true
    try {
      next?.resolve(JSON.parse(line) as Reply)
    } catch {
      next?.reject(new Error(`The adapter wrote a line that is not JSON: ${line.slice(0, 200)}`))
    }
  })
  return {
    get answered() {
      return answered
    },
    get ended() {
      return ended
    },
    ask(message) {
      if (ended !== undefined) return Promise.reject(ended)
      return new Promise((resolve, reject) => {
        const cancel = clock.after(ANSWER_MS, () => {
          end(`The adapter did not answer ${message.do} within ${ANSWER_MS / 1000} s.`)
          kill()
        })
        waiting.push({
          resolve: (answer) => (cancel(), resolve(answer)),
          reject: (error) => (cancel(), reject(error)),
        })
        child.stdin.write(`${JSON.stringify(message)}\n`)
      })
    },
    async close() {
      child.stdin.end()
      const cancel = clock.after(CLOSE_MS, kill)
      await exited
      cancel()
      // The adapter may have left processes behind.
      kill()
    },
  }
}

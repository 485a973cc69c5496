import { fork, type ChildProcess } from 'node:child_process'
import type {
  BrokerOptions,
  DevBroker,
  Facts,
  Revoked,
  RevokeRequest,
  SignedIn,
  SignInRequest,
} from './api.ts'
import { mustBeNewEnough } from './node-version.ts'

/** `startBroker()`: starts a broker for test code in a child process that ends with the caller. */

export type * from './api.ts'

const STOP_MS = 10_000

/**
 * Starts the broker and the simulated Microsoft on this machine, with data in a temporary
 * directory.
 * @throws Error with a message for the developer if the users, the clients or the settings have a
 * problem
 */
export async function startBroker(options: BrokerOptions = {}): Promise<DevBroker> {
  mustBeNewEnough()
  const child = fork(new URL('./host.js', import.meta.url), [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  const facts = await factsOf(child, options)
  // The child must not keep the test process alive. It ends itself when the channel closes.
  child.unref()
  child.channel?.unref()
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    child.ref()
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await gone
    clearTimeout(timer)
  }
  return {
    ...facts,
    signIn: (request: SignInRequest) => control<SignedIn>(facts, 'sign-in', request),
    revoke: (what: RevokeRequest) => control<Revoked>(facts, 'revoke', what),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function factsOf(child: ChildProcess, options: BrokerOptions): Promise<Facts> {
  return new Promise((ready, failed) => {
    child.once('error', failed)
    child.once('exit', (code) =>
      failed(new Error(`The broker ended (${code ?? 'killed'}) before it was ready.`)),
    )
    child.once('message', (message) => {
      const { facts, problem } = message as { facts?: Facts; problem?: string }
      if (facts !== undefined) ready(facts)
      else failed(new Error(problem))
    })
    child.send(options)
  })
}

async function control<T>(
  { control: { url, header, secret } }: Facts,
  act: string,
  body: object,
): Promise<T> {
  const response = await fetch(`${url}/_control/${act}`, {
    method: 'POST',
    headers: { [header]: secret, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const answer = (await response.json()) as T & { error?: string; message?: string }
  if (!response.ok) throw new Error(`${answer.error}: ${answer.message}`)
  return answer
}

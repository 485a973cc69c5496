import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStore } from '../../db/sqlite/store.ts'
import { newClientSecret } from '../../src/clients/secret.ts'
import { follow } from '../clients/streams.ts'
import { logoutUri, seed } from '../servers/seed.ts'
import { metadataOf } from '../servers/registration.ts'
import { brokerSettings } from '../servers/settings.ts'
import { end } from '../servers/process.ts'
import { spawnBroker } from '../servers/site.ts'
import { basic, freePort, waitFor } from '../servers/stage.ts'

/**
 * How soon a broker answers after its start on a large store: with everything due at once, and with
 * all of its guards connecting at once.
 */

export interface Start {
  name: string
  /** The time from the start of the process to its first answer. */
  answersSeconds: number
  /** The longest time without an answer after the first. */
  unansweredSeconds: number
  /** The time from the first answer until the last guard is live. */
  liveSeconds: number | undefined
}

const CLIENTS = 10
const GUARDS = 200
/** How long the broker is watched after its first answer, so that its workers have started. */
const WATCHED_MS = 10_000

/**
 * Measures how the broker starts.
 * @param scale 1 for 1 million sessions, revocations and deliveries
 */
export async function starts(
  scale: number,
  now: number,
  say: (line: string) => void,
): Promise<Start[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmb-start-'))
  const file = join(dataDir, 'broker.db')
  try {
    await (await openSqliteStore({ file })).close()
    const count = Math.round(scale * 1_000_000)
    // Three quarters of the log are due for deletion.
    seed(
      file,
      { sessions: count, revocations: Math.round((count * 4) / 3), deliveries: count, audit: 1 },
      { now, due: 'all', say },
    )
    const secrets = await registerAll(file, now)
    const port = await freePort()
    const env = brokerSettings(dataDir, port)
    // The start on an empty store, which measures the process itself on this machine.
    const all = [
      await empty(port),
      await startProcess('start: everything due at once', env, port, []),
    ]
    const guards = Array.from({ length: GUARDS }, (_, n) => ({
      clientId: `client-${n % CLIENTS}`,
      guard: `g${n}`,
    }))
    const known = guards.map((guard) => ({
      guard: guard.guard,
      authorization: basic(guard.clientId, secrets.get(guard.clientId) ?? ''),
    }))
    all.push(
      await startProcess(`start: the same, ${GUARDS} guards ask for a snapshot`, env, port, known),
    )
    return all
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function empty(port: number): Promise<Start> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmb-start-'))
  try {
    return await startProcess('start: an empty store', brokerSettings(dataDir, port), port, [])
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function registerAll(file: string, now: number): Promise<Map<string, string>> {
  const store = await openSqliteStore({ file })
  const secrets = new Map<string, string>()
  for (let n = 0; n < CLIENTS; n++) {
    const clientId = `client-${n}`
    const { secret, hash } = newClientSecret(randomBytes, now)
    secrets.set(clientId, secret)
    await store.putClient({
      clientId,
      source: 'command',
      now,
      metadata: metadataOf(clientId, logoutUri(clientId)),
      secrets: [hash],
    })
  }
  await store.close()
  return secrets
}

interface Guard {
  guard: string
  authorization: string
}

/**
 * Runs the built broker in its own process, from its start until it has been watched, and ends it
 * by SIGTERM as a deployment does.
 */
async function startProcess(
  name: string,
  env: Record<string, string>,
  port: number,
  guards: Guard[],
): Promise<Start> {
  const begunMs = performance.now()
  const child = spawnBroker(env)
  const followers = guards.map((guard) => new Follower(port, guard))
  const answers = watchAnswers(port)
  try {
    await waitFor(
      'the broker to answer',
      () => child.exitCode !== null || answers.firstMs !== undefined,
    )
    if (answers.firstMs === undefined)
      throw new Error(`The broker ended (${child.exitCode}) before it answered.`)
    await waitFor('every guard to be live', () =>
      followers.every(({ liveMs }) => liveMs !== undefined),
    )
    await sleep(Math.max(0, answers.firstMs + WATCHED_MS - performance.now()))
    const lastLiveMs = Math.max(...followers.map(({ liveMs = Infinity }) => liveMs))
    return {
      name,
      answersSeconds: (answers.firstMs - begunMs) / 1000,
      unansweredSeconds: answers.longestMs() / 1000,
      liveSeconds:
        guards.length === 0 ? undefined : Math.max(0, lastLiveMs - answers.firstMs) / 1000,
    }
  } finally {
    answers.stop()
    for (const follower of followers) follower.close()
    await end(child)
  }
}

/**
 * Sends a request every 10 ms, each on its own connection, whether or not the one before was
 * answered.
 */
function watchAnswers(port: number): {
  firstMs: number | undefined
  longestMs(): number
  stop(): void
} {
  let lastMs = 0
  let longestMs = 0
  const timer = setInterval(() => {
    get({ port, host: '127.0.0.1', path: '/healthz', agent: false }, (response) => {
      response.resume()
      const nowMs = performance.now()
      if (watch.firstMs === undefined) watch.firstMs = nowMs
      else longestMs = Math.max(longestMs, nowMs - lastMs)
      lastMs = nowMs
    }).once('error', () => {})
  }, 10)
  const watch = {
    firstMs: undefined as number | undefined,
    longestMs: () => Math.max(longestMs, performance.now() - lastMs),
    stop: () => clearInterval(timer),
  }
  return watch
}

/** A guard without any state, which connects again until it is answered, as often as a real one. */
class Follower {
  liveMs: number | undefined
  #socket: Socket | undefined
  readonly #ending = new AbortController()

  constructor(port: number, guard: Guard) {
    void this.#connect(`http://localhost:${port}`, guard)
  }

  async #connect(url: string, guard: Guard): Promise<void> {
    const { signal } = this.#ending
    while (this.#socket === undefined && !signal.aborted) {
      this.#socket = await follow(url, guard).catch(() => undefined)
      if (this.#socket === undefined) await sleep(100 + Math.random() * 400)
    }
    this.liveMs = performance.now()
    if (signal.aborted) this.#socket?.destroy()
  }

  close(): void {
    this.#ending.abort()
    this.#socket?.destroy()
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSqliteStore } from '../db/sqlite/store.ts'
import { newClientSecret } from '../src/clients/secret.ts'
import { logoutUri, seed } from './bounded-seed.ts'
import { metadataOf } from './client.ts'
import { brokerSettings } from './settings.ts'
import { basic, freePort, waitFor } from './stage.ts'

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
    const env = brokerEnv(dataDir, port)
    // The start on an empty store, which measures the process itself on this machine.
    const all = [await empty(port), await one('start: everything due at once', env, port, [])]
    const guards = Array.from({ length: GUARDS }, (_, n) => ({
      clientId: `client-${n % CLIENTS}`,
      guardId: `g${n}`,
    }))
    const known = guards.map((guard) => ({
      ...guard,
      authorization: basic(guard.clientId, secrets.get(guard.clientId) ?? ''),
    }))
    all.push(await one(`start: the same, ${GUARDS} guards ask for a snapshot`, env, port, known))
    return all
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function empty(port: number): Promise<Start> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmb-start-'))
  try {
    return await one('start: an empty store', brokerEnv(dataDir, port), port, [])
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

const brokerEnv = (dataDir: string, port: number): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  ...brokerSettings(dataDir, port),
})

interface Guard {
  guardId: string
  authorization: string
}

/**
 * Runs the built broker in its own process, from its start until it has been watched, and ends it
 * by SIGTERM as a deployment does.
 */
async function one(
  name: string,
  env: Record<string, string>,
  port: number,
  guards: Guard[],
): Promise<Start> {
  const begunMs = performance.now()
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '..', 'src', 'cli.js'), 'serve'],
    { env, stdio: ['ignore', 'ignore', 'inherit'] },
  )
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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((done) => child.once('exit', done))
  child.kill('SIGTERM')
  await gone
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

/**
 * A guard without any state, which connects again and again until it is answered, as often as a
 * real guard does at first.
 */
class Follower {
  liveMs: number | undefined
  #socket: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false
  readonly #port: number
  readonly #guard: Guard

  constructor(port: number, guard: Guard) {
    this.#port = port
    this.#guard = guard
    this.#connect()
  }

  #connect(): void {
    const { guardId, authorization } = this.#guard
    const socket = connect(this.#port, '127.0.0.1', () =>
      socket.write(
        `GET /revocations?guard=${guardId} HTTP/1.1\r\nHost: localhost:${this.#port}\r\nAuthorization: ${authorization}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    )
    this.#socket = socket
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-2_000)
      if (text.includes('event: live')) this.liveMs ??= performance.now()
    })
    socket.once('error', () => {})
    socket.once('close', () => {
      if (!this.#closed) this.#timer = setTimeout(() => this.#connect(), 100 + Math.random() * 400)
    })
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#socket?.destroy()
  }
}

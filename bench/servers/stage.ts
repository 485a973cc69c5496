import { createServer, type AddressInfo } from 'node:net'
import { Pool } from 'undici'
import { startChild, type Child } from './child.ts'
import type { Asked, NewInstance, SeededSession } from './broker.ts'
import { REDIRECT_URI, VERIFIER } from './settings.ts'

/**
 * The broker of the bench as its loader sees it: by HTTP as a browser and an instance, and by the
 * channel for the setup.
 */
export interface Stage {
  url: string
  pid: number
  pool: Pool
  ask<N extends keyof Asked>(name: N, input: Asked[N]['in']): Promise<Asked[N]['out']>
  /** Registers instances, and remembers their secrets. */
  register(instances: NewInstance[]): Promise<void>
  secret(clientId: string): string
  exchange(session: Pick<SeededSession, 'code'>, clientId: string): Promise<Tokens>
  /** Opens sessions of users of a tenant at one client, and gets their tokens. */
  signIn(options: { count: number; clientId: string; tid: string }): Promise<Tokens[]>
  stop(): Promise<void>
}

interface Tokens {
  access_token: string
  refresh_token: string
  id_token: string
}

/**
 * Starts a broker.
 * @param settings of the broker, in addition to those of every bench
 */
export async function openStage(
  core: string | undefined,
  settings: Record<string, string> = {},
  at?: number,
): Promise<Stage> {
  const port = at ?? (await freePort())
  const child: Child = await startChild(
    core,
    'servers/broker',
    String(port),
    JSON.stringify(settings),
  )
  // The host name of the issuer, so that comparisons with it match.
  const url = `http://localhost:${port}`
  const pool = new Pool(url, { connections: 64 })
  const secrets: Record<string, string> = {}
  const ask: Stage['ask'] = (name, input) => child.ask(name, input) as never
  const secret = (clientId: string): string => secrets[clientId] ?? ''
  const exchange: Stage['exchange'] = async ({ code }, clientId) => {
    const form = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: VERIFIER,
    }
    const answer = await pool.request({
      path: '/token',
      method: 'POST',
      headers: {
        authorization: basic(clientId, secret(clientId)),
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(form).toString(),
    })
    const body = await answer.body.text()
    if (answer.statusCode !== 200)
      throw new Error(`The code was answered with ${answer.statusCode}: ${body}`)
    return JSON.parse(body) as Tokens
  }
  return {
    url,
    pid: child.pid,
    pool,
    ask,
    secret,
    async register(instances) {
      Object.assign(secrets, (await ask('clients', { instances })).secrets)
    },
    exchange,
    async signIn({ count, clientId, tid }) {
      const { sessions } = await ask('sessions', { count, clients: [clientId], tid, codes: true })
      return Promise.all(sessions.map((session) => exchange(session, clientId)))
    },
    async stop() {
      await pool.close()
      await child.stop()
    },
  }
}

export const basic = (clientId: string, secret: string): string =>
  `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}

/** Waits until a condition holds. After the time limit it throws with what it waited for. */
export async function waitFor(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  seconds = 300,
): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await isSo());) {
    if (Date.now() > end) throw new Error(`Waited ${seconds} s for: ${what}`)
    await new Promise((tick) => setTimeout(tick, 5))
  }
}

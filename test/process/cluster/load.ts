import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from '../../browser.ts'
import { basicOf, newBrowser, sidOf, type TestInstance, type TestWorld } from '../world.ts'

/**
 * Users who sign in, refresh, look at their page and sign out, without a pause. Each failed request
 * is recorded.
 */

export interface Load {
  readonly requests: number
  /** Sessions that were signed out, each at one instance. */
  readonly signedOut: readonly { sid: string; instance: TestInstance }[]
  readonly failures: readonly string[]
  readonly longestMs: number
  stop(): Promise<void>
}

/** The pause of each user between requests. */
const PAUSE_MS = 20
const REFRESHES = 8

export function startLoad(world: TestWorld, users: number): Load {
  const state = {
    requests: 0,
    signedOut: [] as { sid: string; instance: TestInstance }[],
    failures: [] as string[],
    longestMs: 0,
  }
  const stopped = new AbortController()
  const attempt = async <T>(what: string, act: () => Promise<T>): Promise<T | undefined> => {
    const begun = performance.now()
    state.requests++
    try {
      return await act()
    } catch (error) {
      state.failures.push(`${new Date().toISOString()} ${what}: ${explained(error)}`)
      return undefined
    } finally {
      state.longestMs = Math.max(state.longestMs, Math.round(performance.now() - begun))
      await sleep(PAUSE_MS)
    }
  }
  const run = async (n: number): Promise<void> => {
    const instance = world.instances[n % world.instances.length] as TestInstance
    while (!stopped.signal.aborted) {
      const browser = newBrowser()
      const session = await attempt('sign-in', () => world.signIn(browser, instance))
      if (session === undefined) continue
      const sid = sidOf(session.tokens.id_token)
      await work(session.tokens, instance, browser)
      const page = await attempt('sign-out', async () =>
        mustBeOk(await world.signOut(browser, 'device')),
      )
      if (page !== undefined) state.signedOut.push({ sid, instance })
    }
  }
  const work = async (
    first: { refresh_token?: string; access_token: string },
    instance: TestInstance,
    browser: Browser,
  ): Promise<void> => {
    let tokens = first
    for (let n = 0; n < REFRESHES && !stopped.signal.aborted; n++) {
      tokens =
        (await attempt('refresh', () => world.refresh(instance, tokens.refresh_token ?? ''))) ??
        tokens
      await attempt('introspection', () => introspect(world, instance, tokens.access_token))
      await attempt('account page', async () =>
        mustBeOk(await browser.get(`${world.broker.issuer}/account`)),
      )
    }
  }
  const running = Promise.all(Array.from({ length: users }, (_, n) => run(n)))
  return {
    get requests() {
      return state.requests
    },
    get longestMs() {
      return state.longestMs
    },
    signedOut: state.signedOut,
    failures: state.failures,
    async stop() {
      stopped.abort()
      await running
    },
  }
}

/**
 * Describes an error with its connection and the bytes that passed over it, which tells one cause
 * from another.
 */
function explained(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const {
    message = '',
    code = '',
    socket,
  } = (error.cause ?? {}) as { message?: string; code?: string; socket?: Record<string, unknown> }
  return [error.message, message, code, JSON.stringify(socket)].filter(Boolean).join(' ')
}

function mustBeOk<T extends { status: number }>(page: T): T {
  if (page.status !== 200) throw new Error(`answered ${page.status}`)
  return page
}

async function introspect(world: TestWorld, instance: TestInstance, token: string): Promise<void> {
  const answer = await fetch(`${world.broker.issuer}/introspect`, {
    method: 'POST',
    headers: { authorization: basicOf(instance) },
    body: new URLSearchParams({ token }),
  })
  const text = await answer.text()
  if (answer.status !== 200 || !text.includes('"active":true'))
    throw new Error(`answered ${answer.status}: ${text.slice(0, 200)}`)
}

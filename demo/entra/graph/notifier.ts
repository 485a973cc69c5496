import { randomBytes } from 'node:crypto'
import type { World } from '../world.ts'

/**
 * Sends notifications, in a queue of its own. An endpoint answers 2xx within 3 seconds, or gets a
 * few retries with growing pauses.
 */

const VALIDATION_MS = 10_000
const NOTIFICATION_MS = 3_000
const BREAKS_MS = [0, 1_000, 4_000, 16_000, 60_000]
const MAX_QUEUED = 5_000

export class Notifier {
  readonly #world: World
  readonly #stop = new AbortController()
  #queued = 0

  constructor(world: World) {
    this.#world = world
  }

  close(): void {
    this.#stop.abort()
  }

  /** Validates an endpoint: it must return the decoded token as plain text. */
  async validate(url: string): Promise<boolean> {
    const token = `Validation: Testing client application reachability for subscription. ${randomBytes(12).toString('base64url')}`
    const target = new URL(url)
    target.searchParams.set('validationToken', token)
    try {
      const response = await fetch(target, {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: '',
        redirect: 'error',
        signal: this.#limit(VALIDATION_MS),
      })
      const answer = (await response.text()).trim()
      return (
        response.status === 200 &&
        (response.headers.get('content-type') ?? '').startsWith('text/plain') &&
        answer === token
      )
    } catch {
      return false
    }
  }

  send(url: string, body: unknown): void {
    if (this.#queued >= MAX_QUEUED || this.#stop.signal.aborted) return
    this.#queued++
    void this.#deliver(url, JSON.stringify(body)).finally(() => this.#queued--)
  }

  async #deliver(url: string, body: string): Promise<void> {
    for (const pause of BREAKS_MS) {
      if (pause > 0) await this.#wait(pause)
      if (this.#stop.signal.aborted) return
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json; charset=utf-8' },
          body,
          redirect: 'error',
          signal: this.#limit(NOTIFICATION_MS),
        })
        await response.arrayBuffer()
        if (response.ok) return
      } catch {
        // The request is retried after the next pause.
      }
      if (this.#world.switches.dropNotifications) return
    }
  }

  #limit(ms: number): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ms)])
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      timer.unref()
      this.#stop.signal.addEventListener(
        'abort',
        () => {
          clearTimeout(timer)
          resolve()
        },
        { once: true },
      )
    })
  }
}

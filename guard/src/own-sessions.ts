import type { Guard } from './guard.ts'
import type { HoldEnded } from './holds.ts'
import type { EndedSession, SessionState, UnknownSession } from './session-check.ts'

/** The check of an instance's own session at each request, which every framework's adapter uses. */

type Awaitable<T> = T | Promise<T>

/**
 * How an instance keeps its own sessions.
 * @template Exchange the framework's arguments for one request
 */
export interface OwnSessions<Exchange extends unknown[]> {
  /**
   * Returns the claims of the ID token that opened the request's session (`SessionClaims`).
   * Undefined or null: the user is signed out.
   */
  claims: (...exchange: Exchange) => Awaitable<object | null | undefined>
  /** Ends the request's session. The request then goes on as that of a user who is signed out. */
  end: (...exchange: [...Exchange, ended: EndedSession]) => Awaitable<unknown>
  /**
   * The path of the server-sent events by which an open page learns that its session has ended:
   * `/session/events`.
   */
  events?: string | undefined
  /** Returns the answer where it is not known whether the session is live. Default: 503 as JSON. */
  unavailable?: ((state: UnknownSession) => Awaitable<Response>) | undefined
}

/** The part of a guard that the check needs. */
export type SessionGuard = Pick<Guard, 'checkSession' | 'holdSession' | 'judgeSessions'>

/**
 * Returns the check of a request: the answer to send instead of the instance's own, or the end of
 * the session if it has ended, or undefined where the session is live or the user is signed out.
 */
export function checkOwnSession<Exchange extends unknown[]>(
  guard: SessionGuard,
  own: OwnSessions<Exchange>,
): (path: string, ...exchange: Exchange) => Promise<Response | EndedSession | undefined> {
  guard.judgeSessions()
  return async (path, ...exchange) => {
    const claims = await own.claims(...exchange)
    const isSignedOut = claims === undefined || claims === null
    const state = isSignedOut ? undefined : await guard.checkSession(claims)
    if (state?.state === 'ended') await own.end(...exchange, state)
    if (path === own.events) return eventsOf(guard, claims ?? {}, state)
    if (state?.state === 'unknown') return (await own.unavailable?.(state)) ?? unavailable(state)
    return state?.state === 'ended' ? state : undefined
  }
}

const unavailable = ({ description }: UnknownSession): Response =>
  Response.json(
    { error: 'temporarily_unavailable', error_description: description },
    { status: 503, headers: { 'cache-control': 'no-store', 'retry-after': '1' } },
  )

/** The time after which the page connects again. */
const RETRY_MS = 2000
/** Proxies close a connection that is silent for a minute. */
const HEARTBEAT_MS = 15_000
/** The most heartbeats that a page may leave unread. */
const MOST_UNREAD = 20

/**
 * Returns server-sent events for an open page: silence while the session is live, then one event
 * `ended` with the reason. The stream ends without an event if the guard cannot know; the page then
 * connects again.
 */
function eventsOf(guard: SessionGuard, claims: object, state: SessionState | undefined): Response {
  const closed = new AbortController()
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string): void => controller.enqueue(encoder.encode(text))
      const tell = (why: string, reasonClass: string | undefined): void =>
        write(`event: ended\ndata: ${JSON.stringify({ why, reason_class: reasonClass })}\n\n`)
      write(`retry: ${RETRY_MS}\n\n`)
      if (state === undefined) tell('signed_out', undefined)
      else if (state.state === 'ended') tell(state.why, state.reasonClass)
      if (state?.state !== 'live') return controller.close()
      const signal = guard.holdSession(claims, { until: closed.signal })
      const beat = setInterval(() => {
        if ((controller.desiredSize ?? 0) < -MOST_UNREAD) stop()
        else write(': heartbeat\n\n')
      }, HEARTBEAT_MS)
      beat.unref?.()
      const stop = (): void => {
        closed.abort()
        controller.close()
      }
      closed.signal.addEventListener('abort', () => clearInterval(beat))
      const end = (): void => {
        const { reasonClass, why } = signal.reason as HoldEnded
        if (why === 'revoked' || why === 'expired') tell(why, reasonClass)
        stop()
      }
      if (signal.aborted) end()
      else signal.addEventListener('abort', end, { once: true })
    },
    cancel: () => closed.abort(),
  })
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  })
}

const ends = new WeakMap<object, EndedSession>()

/** Keeps the end of a request's session for `endedOf`. */
export const keepEnd = (request: object, ended: EndedSession): void => void ends.set(request, ended)

/**
 * Returns why the session of this request has ended, for the page to say. Undefined if
 * `checkSessions` ended none.
 */
export const endedOf = (request: object): EndedSession | undefined => ends.get(request)

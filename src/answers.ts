import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { StoreUnavailable } from '../db/types.ts'
import type { Deps, Followed } from './deps.ts'
import { nothingHere } from './pages/nothing.ts'
import { methodsAt } from './protocol/described.ts'
import { OAuthError } from './protocol/error.ts'
import { senderIsGone } from './runtime/remote-address.ts'

/**
 * Wraps the apps of both listeners. Answers each error that an endpoint does not answer with a page
 * or problem of its own: an `OAuthError` is shown to the client, a store that cannot commit is
 * answered with 503, and anything else is a bug, which is logged with its cause and never shown.
 */

/**
 * Reads what has changed before the first answer, if the broker was cut off from its database. A
 * request that was running when the broker reconnected is answered with 503, because it may have
 * used outdated state.
 */
export const current =
  (followed: Followed): MiddlewareHandler =>
  async (c, next) => {
    const reading = followed.current()
    if (reading !== undefined) await reading
    const { returns } = followed
    await next()
    if (followed.returns === returns) return
    await c.res.body?.cancel()
    throw new StoreUnavailable(
      'This broker was cut off from the database while it was asked. Ask again: every act may be repeated.',
    )
  }

/**
 * Answers HEAD requests. Hono answers them by GET and drops the body; a stream in it would stay
 * open without a reader, so the body is canceled here.
 */
function answerHead(app: Hono): Hono {
  const { fetch } = app
  app.fetch = (request, ...more) =>
    request.method === 'HEAD'
      ? withoutBody(fetch(new Request(request, { method: 'GET' }), ...more))
      : fetch(request, ...more)
  return app
}

async function withoutBody(answered: Response | Promise<Response>): Promise<Response> {
  const answer = await answered
  await answer.body?.cancel()
  return new Response(null, answer)
}

/**
 * Returns whether the request asks for HTML, as browsers do. Every other request is answered in
 * JSON.
 */
const wantsPage = (c: Context): boolean =>
  c.req.method === 'GET' && (c.req.header('Accept') ?? '').includes('text/html')

/**
 * Adds to an app the answers to errors and to unknown addresses.
 * @param console the link of the page for an unknown address
 */
export function answering(app: Hono, deps: Deps, { console }: { console?: string } = {}): Hono {
  app.onError((error, c) => answer(error, c, deps))
  app.notFound((c) => {
    const methods = methodsAt(app, c.req.path)
    const isUnknown = methods.length === 0 || methods.includes(c.req.method)
    if (isUnknown && wantsPage(c)) return nothingHere(deps, c, console)
    c.header('Cache-Control', 'no-store')
    if (isUnknown)
      return c.json(
        { error: 'not_found', error_description: 'There is nothing at this address.' },
        404,
      )
    // RFC 9110 §15.5.6: a 405 answer lists the allowed methods.
    c.header('Allow', methods.join(', '))
    return c.json(
      {
        error: 'invalid_request',
        error_description: `Use ${methods.join(' or ')} at this address.`,
      },
      405,
    )
  })
  return answerHead(app)
}

function answer(error: Error, c: Context, deps: Deps): Response {
  if (error instanceof HTTPException) return error.getResponse()
  c.header('Cache-Control', 'no-store')
  if (error instanceof OAuthError)
    return c.json(error.toJSON(), error.status as 400, { ...error.headers })
  if (error instanceof StoreUnavailable) {
    deps.log.error('store_unavailable', { path: c.req.path, cause: error })
    c.header('Retry-After', '2')
    return c.json(
      {
        error: 'temporarily_unavailable',
        error_description: 'Nothing was changed. Try again in a moment.',
      },
      503,
    )
  }
  if (senderIsGone(error, c)) return c.body(null, 400)
  deps.log.error('bug', { path: c.req.path, method: c.req.method, cause: error })
  return c.json(
    {
      error: 'server_error',
      error_description:
        'This is a fault of the broker. Its log has the cause by the X-Request-Id of this answer.',
    },
    500,
  )
}

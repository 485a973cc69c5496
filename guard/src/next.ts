import type { Guard } from './guard.ts'
import { checkOwnSession, keepEnd, type OwnSessions, type SessionGuard } from './own-sessions.ts'

export { endedOf } from './own-sessions.ts'

type Answer = Response | undefined | Promise<Response | undefined>

/**
 * Returns a wrapper of route handlers (`export const GET = withSession(handler)`), and of the
 * function in `proxy.js`, which then judges every page and route: `export const proxy =
 * withSession(() => NextResponse.next())`. In the function, `endedOf(request)` says why a session
 * has ended. It works wherever a function gets a web `Request` and returns a `Response`.
 */
export function checkSessions<Req extends Request = Request>(
  guard: SessionGuard,
  own: OwnSessions<[request: Req]>,
) {
  const check = checkOwnSession(guard, own)
  return <Context extends unknown[]>(handler: (request: Req, ...context: Context) => Answer) =>
    async (request: Req, ...context: Context): Promise<Response | undefined> => {
      const judged = await check(new URL(request.url).pathname, request)
      if (judged instanceof Response) return judged
      if (judged !== undefined) keepEnd(request, judged)
      return handler(request, ...context)
    }
}

/** Answers logout tokens: `export const POST = receiveLogout(guard)`. */
export const receiveLogout =
  (guard: Pick<Guard, 'receiveLogout'>) =>
  (request: Request): Promise<Response> =>
    guard.receiveLogout(request)

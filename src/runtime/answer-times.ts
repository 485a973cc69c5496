import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Metrics } from './metrics.ts'

/** How long requests take, by route class. */

/** The first segments of the paths that the broker serves. A closed list: a label never comes from what a stranger sends. */
const ROUTES: ReadonlySet<string> = new Set([
  ...[
    'account',
    'admin',
    'assets',
    'authorize',
    'healthz',
    'introspect',
    'jwks',
    'logout',
    'metrics',
    'openapi',
    'openapi.json',
    'ops',
    'par',
    'readyz',
  ],
  ...['revocations', 'revoke', 'setup', 'signal', 'signin', 'ssf', 'token', 'userinfo', '.well-known'],
])

/** The route class of a request target, query and all. */
export function routeOf(target: string): string {
  const segment = /^\/([^/?#]*)/.exec(target)?.[1] ?? ''
  return ROUTES.has(segment) ? segment : 'other'
}

export type ObserveAnswer = (
  request: IncomingMessage,
  answer: () => Response | Promise<Response>,
  response: ServerResponse,
) => Response | Promise<Response>

/** Records the time until an answer begins. An event stream then goes on for as long as its reader stays: that is not counted. */
export function answerTimes({ httpSeconds }: Pick<Metrics, 'httpSeconds'>): ObserveAnswer {
  return ({ url = '' }, answer) => {
    const begun = performance.now()
    const record = (response: Response): Response => {
      httpSeconds.observe({ route: routeOf(url), code: `${Math.floor(response.status / 100)}xx` }, (performance.now() - begun) / 1000)
      return response
    }
    const answered = answer()
    // One that is there at once is sent without a turn of the event loop.
    return answered instanceof Promise ? answered.then(record) : record(answered)
  }
}

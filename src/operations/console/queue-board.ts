import { serveStatic } from '@hono/node-server/serve-static'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import type { OpenedDeliveryQueue } from '../../outbox/delivery-queue.ts'

/**
 * A read-only view of the queue, by bull-board. The console's endpoints reject every method but GET
 * and HEAD. The pages come from that package and have a content security policy of their own: it
 * allows nothing from other servers and no inline script.
 */

export const BOARD = '/ops/queue'

type ServerAdapter = Parameters<typeof createBullBoard>[0]['serverAdapter']

/** Returns the view's routes, or undefined if the queue is not BullMQ's, as in tests. */
export function queueBoard(deps: Pick<Deps, 'queue'>): Hono | undefined {
  const { bull } = deps.queue as Partial<OpenedDeliveryQueue>
  if (bull === undefined) return undefined
  const adapter = new HonoAdapter(serveStatic)
  adapter.setBasePath(BOARD)
  createBullBoard({
    queues: [
      new BullMQAdapter(bull, {
        readOnlyMode: true,
        allowRetries: false,
        description:
          'Delivery attempts that are due. The database has the truth: losing this queue loses nothing.',
      }),
    ],
    // The two packages may have different patch releases, and then a private field of a class
    // differs. The methods that are called do not.
    serverAdapter: adapter as unknown as ServerAdapter,
    options: {
      uiConfig: {
        boardTitle: 'Case Manager: queue',
        hideRedisDetails: true,
        miscLinks: [{ text: 'Back to the console', url: '/ops' }],
      },
    },
  })
  const board = new Hono()
  board.use('*', async (c, next) => {
    await next()
    if (c.res.headers.get('content-type')?.startsWith('text/html'))
      c.res = new Response((await c.res.text()).replace(ELSEWHERE, ''), c.res)
    c.header('Content-Security-Policy', POLICY)
    c.header('X-Frame-Options', 'DENY')
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Referrer-Policy', 'same-origin')
    if (!c.req.path.startsWith(`${BOARD}/static/`)) c.header('Cache-Control', 'no-store')
  })
  board.route('/', adapter.registerPlugin())
  return board
}

/** Matches links to other servers, such as that of a font. The policy would block them. */
const ELSEWHERE = /<link[^>]+href="https?:[^>]*>/g

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // The components of bull-board set inline styles.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

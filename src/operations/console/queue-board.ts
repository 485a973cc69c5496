import { serveStatic } from '@hono/node-server/serve-static'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import type { OpenedDeliveryQueue } from '../../outbox/delivery-queue.ts'

/**
 * The queue's own view, by bull-board, to look at: it is made read-only, and whatever is not a GET
 * is refused here before it gets there. Its pages are not ours: they get a policy of their own,
 * which still loads nothing from anywhere else and runs no script that is not in a file of its.
 */

export const BOARD = '/ops/queue'

type ServerAdapter = Parameters<typeof createBullBoard>[0]['serverAdapter']

/** Undefined where the queue is none of BullMQ's (tests). */
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
    // The two packages' patch releases differ, and with them a private field of a class; what is
    // called does not.
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

/** A font from another server: the policy would refuse it, so the page does not ask for it. */
const ELSEWHERE = /<link[^>]+href="https?:[^>]*>/g

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  // Its components set styles of their own.
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

import { serveStatic } from '@hono/node-server/serve-static'
import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { Hono } from 'hono'
import type { Deps } from '../deps.ts'
import type { OpenedDeliveryQueue } from '../../outbox/delivery-queue.ts'
import { QUEUE } from './texts/queue.ts'

/**
 * A view of the queue, by bull-board. The console's endpoints accept one act, the redrive of a
 * failed job. The pages come from that package and have a content security policy of their own: it
 * allows nothing from other servers and no inline script.
 */

export const BOARD = '/ops/queue'
/** The path by which the view retries one job. Its capture is the number of the revocation. */
export const RETRY = /^\/ops\/queue\/api\/queues\/revocations\/r-(\d{1,15})\/retry$/

type ServerAdapter = Parameters<typeof createBullBoard>[0]['serverAdapter']

/** Returns the view's routes, or undefined if the queue is not BullMQ's, as in tests. */
export function queueBoard(deps: Pick<Deps, 'queue'>): Hono | undefined {
  const { bull } = deps.queue as Partial<OpenedDeliveryQueue>
  if (bull === undefined) return undefined
  const adapter = new HonoAdapter(serveStatic)
  adapter.setBasePath(BOARD)
  const options = {
    // The types of the package lack this option.
    allowCompletedRetries: false,
    description: QUEUE.what,
  }
  createBullBoard({
    queues: [new BullMQAdapter(bull, options)],
    // The two packages may have different patch releases, and then a private field of a class
    // differs. The methods that are called do not.
    serverAdapter: adapter as unknown as ServerAdapter,
    options: {
      uiConfig: {
        boardTitle: QUEUE.title,
        hideRedisDetails: true,
        miscLinks: [{ text: QUEUE.back, url: '/ops' }],
      },
    },
  })
  const board = new Hono()
  board.use('*', async (c, next) => {
    await next()
    if (c.res.headers.get('content-type')?.startsWith('text/html'))
      c.res = new Response(
        (await c.res.text()).replace(ELSEWHERE, '').replace('</head>', `${HIDING}</head>`),
        c.res,
      )
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

/** Hides the buttons of acts that the console rejects: all but the retry of a failed job. */
const HIDING =
  "<style>[class*='queueActions-'],[class*='jobActions-'] li:not(:has(.lucide-refresh-cw)),button:has(.lucide-ellipsis-vertical){display:none!important}</style>"

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

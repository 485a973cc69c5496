import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import { type Description, described, json } from '../../protocol/described.ts'

const ALIVE: Description = {
  id: 'isAlive',
  summary: 'Whether the process answers',
  tag: 'health',
  answers: { 200: ['It does.', json(z.object({ status: z.literal('alive') }))] },
}

/**
 * Whether the process is alive, and nothing more: what a stranger on the public listener may know.
 * What is down is said at the operators' /readyz.
 */
export function healthEndpoints(_deps: Deps): Hono {
  const endpoints = new Hono()
  endpoints.get(
    '/healthz',
    described(ALIVE, (c: Context) =>
      c.json({ status: 'alive' }, 200, { 'Cache-Control': 'no-store' }),
    ),
  )
  return endpoints
}

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
 * The public /healthz: whether the process is alive, and no more. The operators' /readyz says what
 * is down.
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

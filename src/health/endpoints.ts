import { Hono } from 'hono'
import type { Deps } from '../deps.ts'

/** Whether the process is alive, and nothing more: what a stranger on the public listener may know. What is down is said at the operators' /readyz. */
export function healthEndpoints(_deps: Deps): Hono {
  const room = new Hono()
  room.get('/healthz', (c) => c.json({ status: 'alive' }, 200, { 'Cache-Control': 'no-store' }))
  return room
}

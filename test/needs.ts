import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/**
 * Programs that a machine may lack: scripts/test-needs.mjs installs them where it may, and
 * otherwise prints which tests are skipped.
 */

export const onPath = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((file) => existsSync(file))

export const CHROMIUM =
  process.env.CHROMIUM ?? onPath('chromium-headless-shell') ?? onPath('chromium')
export const QUEUE_SERVER = onPath('valkey-server') ?? onPath('redis-server')
/** The kind of the installed server; meaningless without one. */
export const QUEUE_SERVER_KIND: 'valkey' | 'redis' = QUEUE_SERVER?.endsWith('redis-server')
  ? 'redis'
  : 'valkey'
/** Each engine on which a test of the queue runs, with a PATH on which the broker finds it. */
export const QUEUE_ENGINES: readonly { engine: 'valkey' | 'redis' | 'postgres'; path: string }[] = [
  ...(QUEUE_SERVER === undefined
    ? []
    : [{ engine: QUEUE_SERVER_KIND, path: process.env.PATH ?? '' }]),
  { engine: 'postgres', path: '/nonexistent' },
]
export const PROMTOOL = onPath('promtool')
export const PYTHON = onPath('python3')
export const HAPROXY = onPath('haproxy')
export const PGBOUNCER = process.env.PGBOUNCER ?? onPath('pgbouncer')

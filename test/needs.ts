import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What a machine may not have: scripts/test-needs.mjs installs it where it may, and says what is left out where it may not. */

const onPath = (name: string): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((file) => existsSync(file))

export const CHROMIUM = process.env.CHROMIUM ?? onPath('chromium')
export const QUEUE_SERVER = onPath('valkey-server') ?? onPath('redis-server')
/** Which of the two it is; of no meaning without one. */
export const QUEUE_SERVER_KIND: 'valkey' | 'redis' = QUEUE_SERVER?.endsWith('redis-server') ? 'redis' : 'valkey'
export const PROMTOOL = onPath('promtool')

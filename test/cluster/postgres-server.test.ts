import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { HAS_POSTGRES, startPostgres } from '../postgres.ts'

test.skipIf(!HAS_POSTGRES)(
  'the Postgres of the tests stops, even where it was asked to start again while it was starting',
  async () => {
    const server = await startPostgres()
    await server.kill()
    await Promise.all([server.start(), server.start()])
    await server.stop()
    expect(existsSync(server.dir)).toBe(false)
  },
)

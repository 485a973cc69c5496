import { Hono } from 'hono'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { AdminEnv } from './caller.ts'
import { ok, route, shape } from './route.ts'
import { noteBackup } from '../acts/last-backup.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** A copy of the whole store, made while the broker serves. It refuses callers that do not use the socket: the path is one of this machine. */

const request = z.strictObject({
  path: storedText().max(4_000).refine(isAbsolute, 'has to be an absolute path'),
})

export const positionSchema = shape('Position', {
  epoch: z.string().meta({ description: 'new after a restore' }),
  seq: z.int().meta({ description: 'the head of the log' }),
})
const about = {
  id: 'makeBackup',
  summary: 'Copies the store into a new file while the broker serves; only by the socket on the broker’s own machine',
  may: 'administer' as const,
  body: request,
  answers: { 201: ok('Made.', z.object({ path: z.string(), bytes: z.int(), log: positionSchema })) },
  rejects: [409, 422] as const,
}

export function backupRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'post', '/backup', about, async ({ caller, body: { path } }, c) => {
    if (caller.via !== 'command')
      throw new Problem(403, 'Only on the broker’s own machine', 'A backup is a file on the broker’s machine. Run cmb backup there.')
    const made = await recorded(
      deps,
      caller,
      { act: 'backup', target: `file ${path}` },
      async () => {
        const answer = await deps.store.backup(path)
        if (answer.outcome === 'made') return answer
        if (answer.outcome === 'exists')
          throw new Problem(409, 'The file already exists', `${path} exists, and a backup overwrites no file. Name another file.`)
        throw new Problem(
          409,
          'The file cannot be written',
          `${path}: ${answer.code}. Its directory must exist, and the broker's user must be able to write to it. In a container, name a path on a mounted volume.`,
        )
      },
      ({ bytes, seq }) => ({ bytes, seq }),
    )
    const { bytes, epoch, seq } = made
    await noteBackup(deps.store, deps.clock.now())
    deps.log.info('backup_made', { path, bytes, seq, actorKind: caller.actor.kind, actor: caller.actor.id })
    return c.json({ path, bytes, log: { epoch, seq } }, 201)
  })
  return routes
}

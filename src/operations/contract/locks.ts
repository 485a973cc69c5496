import { z } from 'zod'
import type { Lock } from '../../../db/types.ts'
import { lockTargetName } from '../../protocol/lock-target.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { liftAs, lockAs, mustBeAllowed, previewedLock, resolved } from '../acts/locks.ts'
import { withNames } from '../acts/names.ts'
import { existing } from '../acts/no-such.ts'
import { withFirstUsers } from '../acts/revocations.ts'
import { caseAndComment, dryRun, guid, idText, limit, named, nullable } from './fields.ts'
import { lock, lockTarget, namedTarget, preview } from './shapes.ts'
import { shown } from './wire.ts'
import { ok, route } from './route.ts'

/** Locks of users, tenants and clients: set, listed and lifted. */

/** A time in a request, in epoch seconds. */
const moment = z.int('has to be a time in epoch seconds').min(1).max(253_402_300_799)
const locked = z.object({ outcome: z.enum(['locked', 'already']), lock })
const dryRunAnswer = z.object({
  dry_run: z.literal(true),
  target: lockTarget,
  would_end: preview,
  open: lock.nullable(),
})
const page = z.object({ locks: z.array(lock), next: nullable })

const targetOf = ({ target }: Lock): string => lockTargetName(target)

export const lockRoutes = [
  route(
    'POST /locks',
    {
      id: 'lock',
      may: 'operate',
      body: z.strictObject({
        target: namedTarget,
        ends_at: moment.optional(),
        replaces: idText.optional(),
        ...caseAndComment,
        dry_run: dryRun,
      }),
      answers: {
        200: ok('A dry run, or locked already.', z.union([dryRunAnswer, locked])),
        201: ok('Locked.', locked),
      },
      rejects: [404, 409, 422],
      repeatable: true,
    },
    async ({ deps, c, caller, now, body: { dryRun: dry, ...body } }) => {
      const target = await resolved(deps, body.target)
      const asked = { ...body, target, now }
      mustBeAllowed(caller, asked)
      if (dry) {
        const { wouldEnd, open } = await previewedLock(deps, target, now)
        return {
          dryRun: dry,
          target,
          wouldEnd: await withFirstUsers(deps, wouldEnd),
          open,
        }
      }
      const answer = await lockAs(deps, caller, asked)
      return c.json(shown(locked, answer), answer.outcome === 'locked' ? 201 : 200)
    },
  ),
  route(
    'GET /locks',
    {
      id: 'listLocks',
      query: z.strictObject({
        state: z.enum(['open', 'lifted', 'all']).default('open'),
        kind: z.enum(['user', 'tenant', 'client']).optional(),
        tid: guid('a tenant id').optional(),
        oid: guid('an object id').optional(),
        client_id: idText.optional(),
        case_reference: storedText().max(200).optional(),
        before: idText.optional(),
        limit,
      }),
      answers: page,
    },
    async ({ deps, query: { tid, clientId, ...query } }) => {
      const locks = await deps.store.listLocks({ ...query, key: tid ?? clientId })
      const named = await withNames(deps, locks, targetOf)
      return { locks: named, next: locks.length < query.limit ? null : locks.at(-1)?.id }
    },
  ),
  route(
    'GET /locks/:id',
    {
      id: 'readLock',
      params: named,
      answers: lock,
    },
    async ({ deps, params }) => existing('lock', await deps.store.findLock(params.id)),
  ),
  route(
    'POST /locks/:id/lift',
    {
      id: 'liftLock',
      params: named,
      body: z.strictObject(caseAndComment),
      answers: z.object({ outcome: z.enum(['lifted', 'already']), lock }),
      repeatable: true,
    },
    async ({ deps, caller, now, params, body }) => {
      const { outcome, lock: one } = await liftAs(deps, caller, { ...body, id: params.id, now })
      return { outcome, lock: (await withNames(deps, [one], targetOf))[0] ?? one }
    },
  ),
]

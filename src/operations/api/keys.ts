import { Hono } from 'hono'
import { z } from 'zod'
import type { StoredSigningKey } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { changes } from '../../protocol/changes.ts'
import { seconds } from '../../protocol/described.ts'
import type { AdminEnv } from './caller.ts'
import { ok, route, said, shape } from './route.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** Signing keys: what is published, rotation, and the emergency one. Private parts never leave the key ring. */

const rotation = z.strictObject({ alg: z.enum(['ES256', 'RS256']), how: z.enum(['next', 'activate', 'emergency']).default('next'), ...said })
const key = shape('Key', {
  kid: z.string(),
  alg: z.enum(['ES256', 'RS256']),
  state: z.enum(['next', 'active', 'retiring', 'retired']),
  created_at: seconds,
  activated_at: seconds.nullable(),
  retire_at: seconds.nullable(),
  kept_in: z.enum(['store', 'file']),
})
const listing = {
  id: 'listKeys',
  summary: 'Lists signing keys',
  may: 'operate' as const,
  answers: { 200: ok('All of them.', z.object({ keys: z.array(key) })) },
}
const rotating = {
  id: 'rotateKey',
  summary: 'Publishes the next key, uses it, or replaces the active one at once',
  may: 'administer' as const,
  body: rotation,
  answers: { 201: ok('The new key.', key) },
  rejects: [409] as const,
}
const retiring = {
  id: 'retireKey',
  summary: 'Removes a key from the JWKS; guards drop it at once',
  may: 'administer' as const,
  params: z.strictObject({ kid: storedText().max(200) }),
  answers: { 200: ok('Retired.', z.object({ kid: z.string(), retired: z.literal(true) })) },
  rejects: [404, 409] as const,
}

export function keyRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  route(routes, 'get', '/keys', listing, async (_, c) => c.json({ keys: (await deps.keys.list()).map(shown) }))
  route(routes, 'post', '/keys/rotate', rotating, async ({ caller, body: { alg, how, case_reference: caseReference, comment } }, c) => {
    const before = await deps.keys.list()
    mustBeKept(before, alg)
    const key = await recorded(
      deps,
      caller,
      { act: 'key.rotate', target: `key ${alg}`, details: { how }, caseReference, comment },
      async () => ({ ...(await deps.keys.rotate(alg, how, deps.clock.now())), after: await deps.keys.list() }),
      ({ kid, after }) => ({ kid, changed: changes(statesOf(before), statesOf(after)) }),
    )
    deps.feed.publishKeys(retiredSince(before, key.after))
    deps.log.info('keys_rotated', { alg, how, kid: key.kid, actorKind: caller.actor.kind, actor: caller.actor.id })
    return c.json(shown(key), 201)
  })
  route(routes, 'post', '/keys/:kid/retire', retiring, async ({ caller, params: { kid } }, c) => {
    const key = (await deps.keys.list()).find((one) => one.kid === kid)
    if (key === undefined) throw new Problem(404, 'No such key', 'There is no key of that kid; GET /admin/v1/keys (cmb keys list) lists them.')
    if (key.state === 'active')
      throw new Problem(
        409,
        'The key is active',
        `${kid} is the active key. Rotate first: how "emergency" replaces and retires it at once (cmb keys rotate ${key.alg} --emergency).`,
      )
    await recorded(
      deps,
      caller,
      { act: 'key.retire', target: `key ${kid}` },
      () => retire(deps, kid),
      () => ({ changed: changes({ [kid]: key.state }, { [kid]: 'retired' }) }),
    )
    deps.feed.publishKeys([kid])
    deps.log.info('key_retired', { kid, actorKind: caller.actor.kind, actor: caller.actor.id })
    return c.json({ kid, retired: true })
  })
  return routes
}

async function retire(deps: Deps, kid: string): Promise<void> {
  if (!(await deps.keys.retire(kid, deps.clock.now())))
    throw new Problem(409, 'Already retired', `${kid} is no longer published; nothing was changed.`)
}

/** A key that comes from a file is rotated by its file. @throws Problem 409 */
function mustBeKept(keys: StoredSigningKey[], alg: StoredSigningKey['alg']): void {
  if (!keys.some((one) => one.alg === alg && one.state === 'active' && one.privateSealed === null)) return
  throw new Problem(
    409,
    'The key comes from a file',
    `Put the file of the next ${alg} key first in the list of key files and restart the broker: the broker rotates only keys that it made itself.`,
  )
}

/** For the audit log. */
const statesOf = (keys: readonly StoredSigningKey[]): Record<string, string> => Object.fromEntries(keys.map(({ kid, state }) => [kid, state]))

/** What guards must drop at once: none after a rotation that keeps the old key published. */
function retiredSince(before: StoredSigningKey[], after: StoredSigningKey[]): string[] {
  const gone = new Set(before.filter((key) => key.state === 'retired').map((key) => key.kid))
  return after.filter((key) => key.state === 'retired' && !gone.has(key.kid)).map((key) => key.kid)
}

function shown(key: StoredSigningKey): Record<string, unknown> {
  return {
    kid: key.kid,
    alg: key.alg,
    state: key.state,
    created_at: key.createdAt,
    activated_at: key.activatedAt ?? null,
    retire_at: key.retireAt ?? null,
    kept_in: key.privateSealed === null ? 'file' : 'store',
  }
}

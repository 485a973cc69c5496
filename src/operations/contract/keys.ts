import { z } from 'zod'
import type { StoredSigningKey } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { changes } from '../../protocol/changes.ts'
import { seconds, text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { existing } from '../acts/no-such.ts'
import { caseAndComment, shape } from './fields.ts'
import { ok, route } from './route.ts'

/** Signing keys: list, rotation and emergency rotation. Private keys never leave the key ring. */

const alg = z.enum(['ES256', 'RS256'])
const keyShape = shape('Key', {
  kid: text,
  alg,
  state: z.enum(['next', 'active', 'retiring', 'retired']),
  created_at: seconds,
  activated_at: seconds.nullable(),
  retire_at: seconds.nullable(),
  kept_in: z.enum(['store', 'file']),
})

export const keyRoutes = [
  route(
    'GET /keys',
    {
      id: 'listKeys',
      answers: z.object({ keys: z.array(keyShape) }),
    },
    async ({ deps }) => ({ keys: (await deps.keys.list()).map(keyShown) }),
  ),
  route(
    'POST /keys/rotate',
    {
      id: 'rotateKey',
      audit: 'key.rotate',
      body: z.strictObject({
        alg,
        how: z.enum(['next', 'activate', 'emergency']).default('next'),
        ...caseAndComment,
      }),
      answers: { 201: ok('The new key.', keyShape) },
      rejects: [409],
    },
    async ({ deps, now, record, body: { alg: which, how } }) => {
      const before = await deps.keys.list()
      mustBeKept(before, which)
      const made = await record(
        `key ${which}`,
        { how },
        async () => ({
          ...(await deps.keys.rotate(which, how, now)),
          after: await deps.keys.list(),
        }),
        ({ kid, after }) => ({ kid, changed: changes(statesOf(before), statesOf(after)) }),
      )
      // The ring itself announces keys that are retired.
      if (how !== 'emergency') deps.feed.publishKeys([])
      return keyShown(made)
    },
  ),
  route(
    'POST /keys/:kid/retire',
    {
      id: 'retireKey',
      audit: 'key.retire',
      params: z.strictObject({ kid: storedText().max(200) }),
      body: z.strictObject(caseAndComment),
      bodyOptional: true,
      answers: z.object({ kid: text, retired: z.literal(true) }),
      rejects: [409],
    },
    async ({ deps, now, record, params: { kid } }) => {
      const key = existing(
        'key',
        (await deps.keys.list()).find((signingKey) => signingKey.kid === kid),
      )
      if (key.state === 'active')
        throw new Problem(
          409,
          'The key is active',
          `${kid} is the active key. Rotate first: how "emergency" replaces and retires it at once (cmb keys rotate ${key.alg} --emergency).`,
        )
      const retire = async (): Promise<void> => {
        if (!(await deps.keys.retire(kid, now)))
          throw new Problem(
            409,
            'Already retired',
            `${kid} is no longer published; nothing was changed.`,
          )
      }
      const changed = { changed: changes({ [kid]: key.state }, { [kid]: 'retired' }) }
      await record(`key ${kid}`, undefined, retire, () => changed)
      return { kid }
    },
  ),
]

/** Rejects rotating a key that comes from a file. @throws Problem 409 */
function mustBeKept(keys: StoredSigningKey[], which: StoredSigningKey['alg']): void {
  if (
    !keys.some((key) => key.alg === which && key.state === 'active' && key.privateSealed === null)
  )
    return
  throw new Problem(
    409,
    'The key comes from a file',
    `Put the file of the next ${which} key first in the list of key files and restart the broker: the broker rotates only keys that it made itself.`,
  )
}

/** Returns the state of each key, for the audit log. */
const statesOf = (keys: readonly StoredSigningKey[]): Record<string, string> =>
  Object.fromEntries(keys.map(({ kid, state }) => [kid, state]))

const keyShown = (key: StoredSigningKey) =>
  ({ ...key, keptIn: key.privateSealed === null ? 'file' : 'store' }) as const

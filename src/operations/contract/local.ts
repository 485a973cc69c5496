import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { Problem } from '../../audit/problem.ts'
import { seconds, text } from '../../protocol/described.ts'
import { encodeSelector } from '../../protocol/selector.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { noteBackup } from '../acts/last-backup.ts'
import { noSuch } from '../acts/no-such.ts'
import { newSetupToken } from '../acts/setup-token.ts'
import { caseAndComment, idText } from './fields.ts'
import { position } from './shapes.ts'
import { ok, route } from './route.ts'
import { REJECTED } from '../acts/texts/rejected.ts'

/**
 * Acts that only the unix socket offers: backups, tokens of /setup, and waivers of a fresh sign-in.
 */

export const localRoutes = [
  route(
    'POST /backup',
    {
      id: 'makeBackup',
      audit: 'backup',
      here: 'cmb backup',
      body: z.strictObject({
        path: storedText().max(4_000).refine(isAbsolute, 'has to be an absolute path'),
      }),
      answers: { 201: ok('Made.', z.object({ path: text, bytes: z.int(), log: position })) },
      rejects: [409, 422],
    },
    async ({ deps, record, body: { path }, now }) => {
      const backup = async () => {
        const answer = await deps.store.backup(path)
        if (answer.outcome === 'made') return answer
        if (answer.outcome === 'exists')
          throw new Problem(409, 'The file already exists', REJECTED.file_exists(path))
        throw new Problem(
          409,
          'The file cannot be written',
          REJECTED.file_not_written(path, answer.code),
        )
      }
      const { bytes, epoch, seq } = await record(`file ${path}`, undefined, backup, (made) => ({
        bytes: made.bytes,
        seq: made.seq,
      }))
      await noteBackup(deps.store, now)
      return { path, bytes, log: { epoch, seq } }
    },
  ),
  route(
    'POST /fresh-sign-in/waivers',
    {
      id: 'waiveFreshSignIn',
      audit: 'fresh_sign_in.waive',
      here: 'cmb fresh-sign-in waive',
      body: z.strictObject({
        selector: z.discriminatedUnion('kind', [
          z.strictObject({ kind: z.literal('subject'), sub: idText }),
          z.strictObject({ kind: z.literal('tenant'), tid: z.guid() }),
        ]),
        hours: z.int().min(1).max(168),
        ...caseAndComment,
      }),
      answers: {
        201: ok(
          'Waived.',
          z.object({
            until: seconds,
            seq: z.int(),
          }),
        ),
      },
      rejects: [404],
    },
    async ({ deps, record, body: { selector, hours }, now }) => {
      const until = now + hours * 3600
      const target = Object.values(encodeSelector(selector)).join(' ')
      const waive = async (): Promise<number> => {
        const answer = await deps.store.waiveFreshSignIn({ selector, untilAt: until })
        if (answer.outcome === 'waived') return answer.seq
        throw noSuch(selector.kind === 'subject' ? 'user' : 'tenant')
      }
      const seq = await record(target, { hours, until }, waive, (answer) => ({ seq: answer }))
      return { until, seq }
    },
  ),
  route(
    'POST /setup/token',
    {
      id: 'makeSetupToken',
      audit: 'setup.token',
      here: 'cmb setup',
      body: z.strictObject({
        recover: z.boolean().default(false),
      }),
      answers: {
        201: ok(
          'The token, in this answer only.',
          z.object({ token: text, expires_at: seconds, url: text }),
        ),
      },
      rejects: [409],
    },
    async ({ deps, now, record, body: { recover: recovery } }) => {
      const url = `${deps.config.opsOrigin}/setup`
      const made = await record(undefined, { recovery }, async () => {
        const token = await newSetupToken(deps, now, { recovery })
        if (token !== undefined) return token
        throw new Problem(
          409,
          'There already is an administrator',
          REJECTED.administrator_exists(url),
        )
      })
      return { ...made, url }
    },
  ),
]

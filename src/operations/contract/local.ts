import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { by, onlyHere } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { seconds, text } from '../../protocol/described.ts'
import { encodeSelector } from '../../protocol/selector.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { noteBackup } from '../acts/last-backup.ts'
import { newSetupToken } from '../acts/setup-token.ts'
import { caseAndComment, idText } from './fields.ts'
import { position } from './shapes.ts'
import { ok, route } from './route.ts'

/**
 * Acts that only the unix socket offers: backups, tokens of /setup, and waivers of a fresh sign-in.
 */

const SETUP_TOKEN = {
  201: ok(
    'The token, in this answer only.',
    z.object({ token: text, expires_at: seconds, url: text }),
  ),
}

export const localRoutes = [
  route(
    'POST /backup',
    {
      id: 'makeBackup',
      audit: 'backup',
      summary:
        'Copies the store into a new file while the broker serves; only by the socket on the broker’s own machine',
      body: z.strictObject({
        path: storedText().max(4_000).refine(isAbsolute, 'has to be an absolute path'),
      }),
      answers: { 201: ok('Made.', z.object({ path: text, bytes: z.int(), log: position })) },
      rejects: [409, 422],
    },
    async ({ deps, caller, record, body: { path }, now }) => {
      if (caller.via !== 'command')
        throw new Problem(
          403,
          'Only on the broker’s own machine',
          'A backup is a file on the broker’s machine. Run cmb backup there.',
        )
      const backup = async () => {
        const answer = await deps.store.backup(path)
        if (answer.outcome === 'made') return answer
        if (answer.outcome === 'exists')
          throw new Problem(
            409,
            'The file already exists',
            `${path} exists, and a backup overwrites no file. Name another file.`,
          )
        throw new Problem(
          409,
          'The file cannot be written',
          `${path}: ${answer.code}. Its directory must exist, and the broker's user must be able to write to it. In a container, name a path on a mounted volume.`,
        )
      }
      const { bytes, epoch, seq } = await record(`file ${path}`, undefined, backup, (made) => ({
        bytes: made.bytes,
        seq: made.seq,
      }))
      await noteBackup(deps.store, now)
      deps.log.info('backup_made', {
        path,
        bytes,
        seq,
        ...by(caller),
      })
      return { path, bytes, log: { epoch, seq } }
    },
  ),
  route(
    'POST /fresh-sign-in/waivers',
    {
      id: 'waiveFreshSignIn',
      audit: 'fresh_sign_in.waive',
      summary:
        'Waives the fresh sign-in for some hours, after revocations up to now; only by the socket on the broker’s own machine',
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
            seq: z.int().meta({ description: 'later revocations are demanded' }),
          }),
        ),
      },
      rejects: [404],
    },
    async ({ deps, caller, record, body: { selector, hours }, now }) => {
      onlyHere(caller, 'cmb fresh-sign-in waive')
      const until = now + hours * 3600
      const target = Object.values(encodeSelector(selector)).join(' ')
      const waive = async (): Promise<number> => {
        const answer = await deps.store.waiveFreshSignIn({ selector, untilAt: until })
        if (answer.outcome === 'waived') return answer.seq
        throw new Problem(
          404,
          'Not found',
          'There is no such user; cmb sessions list --user finds their sub.',
        )
      }
      const seq = await record(target, { hours, until }, waive, (answer) => ({ seq: answer }))
      deps.log.warn('fresh_sign_in_waived', { target, until, seq, actor: caller.actor.id })
      return { until, seq }
    },
  ),
  route(
    'POST /setup/token',
    {
      id: 'makeSetupToken',
      audit: 'setup.token',
      summary:
        'Makes a token for the first visit to /setup; only by the socket on the broker’s own machine',
      answers: SETUP_TOKEN,
      rejects: [409],
    },
    async ({ deps, caller, now, record }) => {
      onlyHere(caller, 'cmb setup')
      const url = `${deps.config.opsOrigin}/setup`
      const made = await record(undefined, undefined, async () => {
        const token = await newSetupToken(deps, now)
        if (token !== undefined) return token
        throw new Problem(
          409,
          'There already is an administrator',
          `Sign in at ${url} with the app role Broker.Administrator. If no administrator can sign in: cmb setup --recover.`,
        )
      })
      return { ...made, url }
    },
  ),
  route(
    'POST /setup/recovery-token',
    {
      id: 'makeRecoveryToken',
      audit: 'setup.recovery_token',
      summary:
        'Makes a token for /setup when no administrator can sign in; only by the socket on the broker’s own machine',
      answers: SETUP_TOKEN,
    },
    async ({ deps, caller, now, record }) => {
      onlyHere(caller, 'cmb setup --recover')
      const made = await record(undefined, undefined, () =>
        newSetupToken(deps, now, { recovery: true }),
      )
      if (made === undefined) throw new Error('No recovery token was made.')
      deps.log.warn('setup_recovery_token_made', { actor: caller.actor.id })
      return { ...made, url: `${deps.config.opsOrigin}/setup` }
    },
  ),
]

import type { Hono } from 'hono'
import { z } from 'zod'
import { onlyHere } from '../../clients/caller.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import type { Deps } from '../deps.ts'
import { seconds } from '../../protocol/described.ts'
import { newSetupToken } from '../acts/setup-token.ts'
import type { AdminEnv } from './caller.ts'
import { ok, route } from './route.ts'

/** The tokens that open /setup: one for the first visit, one for recovery. Only the socket on the broker's own machine makes them. */

const SETUP_TOKEN = {
  id: 'makeSetupToken',
  summary: 'Makes a token for the first visit to /setup; only by the socket on the broker’s own machine',
  may: 'administer' as const,
  answers: { 201: ok('The token, in this answer only.', z.object({ token: z.string(), expires_at: seconds, url: z.string() })) },
  rejects: [409] as const,
}
const RECOVERY_TOKEN = {
  ...SETUP_TOKEN,
  id: 'makeRecoveryToken',
  summary: 'Makes a token for /setup when no administrator can sign in; only by the socket on the broker’s own machine',
  rejects: [] as const,
}

export function setupTokens(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'post', '/setup/token', SETUP_TOKEN, async ({ caller }, c) => {
    onlyHere(caller, 'cmb setup')
    const made = await recorded(deps, caller, { act: 'setup.token' }, async () => {
      const token = await newSetupToken(deps, deps.clock.now())
      if (token === undefined)
        throw new Problem(
          409,
          'There already is an administrator',
          `Sign in at ${deps.config.opsOrigin}/setup with the app role Broker.Administrator. If no administrator can sign in: cmb setup --recover.`,
        )
      return token
    })
    return c.json({ token: made.token, expires_at: made.expiresAt, url: `${deps.config.opsOrigin}/setup` }, 201)
  })
  route(routes, 'post', '/setup/recovery-token', RECOVERY_TOKEN, async ({ caller }, c) => {
    onlyHere(caller, 'cmb setup --recover')
    const made = await recorded(deps, caller, { act: 'setup.recovery_token' }, () => newSetupToken(deps, deps.clock.now(), { recovery: true }))
    if (made === undefined) throw new Error('No recovery token was made.')
    deps.log.warn('setup_recovery_token_made', { actor: caller.actor.id })
    return c.json({ token: made.token, expires_at: made.expiresAt, url: `${deps.config.opsOrigin}/setup` }, 201)
  })
}

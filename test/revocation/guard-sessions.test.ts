import type { Guard } from '@case-manager/guard'
import { describe, expect, test } from 'vitest'
import type { Selector } from '../../src/protocol/revocation.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { guardOf } from './guard-of.ts'

/** The guard for Node judges sessions by what this broker sends. */

const OLIVIA = { kind: 'operator', id: 'olivia' } as const

async function rigged(): Promise<{ rig: Rig; client: RegisteredClient; guard: () => Guard }> {
  const rig = await createRig()
  const client = await rig.register('Sydney')
  const url = await rig.serve()
  const guard = (): Guard => {
    const opened = guardOf(rig, url, client)
    opened.judgeSessions()
    return opened
  }
  return { rig, client, guard }
}

/** Signs a user in, and returns the claims of the ID token. */
async function signIn(rig: Rig, client: RegisteredClient): Promise<Record<string, unknown>> {
  const { session } = await rig.openSession({ absoluteAt: rig.clock.now() + 86_400 })
  const { id_token = '' } = await rig.signInAt(session.sid, client)
  const [, payload = ''] = id_token.split('.')
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>
}

const end = (rig: Rig, selector: Selector) =>
  requestRevocation(rig.deps, {
    selector,
    reason: 'administrator',
    actor: OLIVIA,
    now: rig.clock.now(),
  })

describe('the guard, with this broker', () => {
  test('judges a session by the claims of its ID token, and one that is ended also hours later', async () => {
    const { rig, client, guard } = await rigged()
    const claims = await signIn(rig, client)
    const other = await signIn(rig, client)
    const first = guard()
    await first.start()
    expect(await first.checkSession(claims)).toEqual({ state: 'live', rev: claims['rev'] })
    await end(rig, { kind: 'session', sid: String(claims['sid']) })
    await expect
      .poll(async () => first.checkSession(claims), { timeout: 10_000 })
      .toEqual({ state: 'ended', why: 'revoked', reasonClass: 'administrator' })
    rig.clock.advance(23 * 3600)
    const later = guard()
    await later.start()
    expect(await later.checkSession(claims)).toMatchObject({ state: 'ended', why: 'revoked' })
    expect(await later.checkSession(other)).toMatchObject({ state: 'live' })
    expect(later.status().counters.sessionsAsked).toBe(0)
  })

  test('asks it about a session whose ID token had no rev, once', async () => {
    const { rig, client, guard } = await rigged()
    const claims = { ...(await signIn(rig, client)), rev: undefined, tenant: undefined }
    const ended = { ...(await signIn(rig, client)), rev: undefined, tenant: undefined } as Record<
      string,
      unknown
    >
    await end(rig, { kind: 'session', sid: String(ended['sid']) })
    const opened = guard()
    await opened.start()
    expect(await opened.checkSession(claims)).toMatchObject({ state: 'live' })
    expect(await opened.checkSession(claims)).toMatchObject({ state: 'live' })
    expect(await opened.checkSession(ended)).toMatchObject({ state: 'ended', why: 'revoked' })
    expect(opened.status().counters.sessionsAsked).toBe(2)
    await end(rig, { kind: 'everything' })
    await expect
      .poll(async () => opened.checkSession(claims), { timeout: 10_000 })
      .toMatchObject({ state: 'ended' })
  })
})

import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import { expect } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { createRig, ISSUER, type RegisteredClient, type RigOptions, TENANT } from '../rig.ts'
import { deliverLogout as attempt } from '../workers/attempt.ts'
import { type Receiver, startReceiver, status } from '../workers/receiver.ts'

/**
 * A receiver of Shared Signals that uses the broker over HTTP: it manages its stream, gets pushes,
 * and polls.
 */

export const PUSH = 'urn:ietf:rfc:8935'
export const POLL = 'urn:ietf:rfc:8936'
export const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
export const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'
export const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
export const STREAM_UPDATED = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'
export const EVERY = [
  ...['session-revoked', 'token-claims-change', 'assurance-level-change'].map(
    (name) => CAEP + name,
  ),
  ...['account-disabled', 'account-purged'].map((name) => RISC + name),
]

/** A security event token, verified as a receiver does. */
export interface Set {
  header: Record<string, unknown>
  claims: Record<string, unknown> & {
    jti: string
    txn: string
    sub_id: Record<string, unknown>
    events: Record<string, Record<string, unknown>>
  }
  type: string
}

export async function world(options: RigOptions = {}) {
  const rig = await createRig(options)
  const { store, clock } = rig
  await store.putTenant({
    tid: TENANT,
    name: 'Contoso',
    mfaProof: 'auth_context:c1',
    connectedAt: clock.now(),
  })
  const receiver: Receiver = await startReceiver(status(202))
  const instance = (city: string, changes: Partial<ClientMetadata> = {}) =>
    rig.register(city, {
      grants: ['authorization_code', 'refresh_token', 'client_credentials'],
      scopes: ['openid', 'profile', 'email', 'offline_access', 'ssf.read', 'ssf.manage'],
      logoutUris: [],
      ssfPushOrigins: [new URL(receiver.url).origin],
      ...changes,
    })
  const tokenOf = async (
    client: RegisteredClient,
    scope = 'ssf.read ssf.manage',
  ): Promise<string> => {
    const answer = await rig.post(
      '/token',
      { grant_type: 'client_credentials', scope },
      { authorization: client.basic },
    )
    expect(answer.status).toBe(200)
    return ((await answer.json()) as { access_token: string }).access_token
  }
  const call = (token: string) => async (method: string, path: string, body?: unknown) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const answer = await rig.app.request(`${ISSUER}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await answer.text()
    return {
      status: answer.status,
      headers: answer.headers,
      json: (text === '' ? undefined : JSON.parse(text)) as Record<string, unknown> & {
        stream_id: string
      },
    }
  }
  const verified = async (token: string, clientId: string): Promise<Set> => {
    const keys = createLocalJWKSet(
      (await (await rig.app.request(`${ISSUER}/jwks`)).json()) as JSONWebKeySet,
    )
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: ISSUER,
      audience: `${ISSUER}/ssf/receivers/${clientId}`,
      typ: 'secevent+jwt',
      algorithms: ['RS256'],
      currentDate: new Date(clock.nowMs()),
    })
    const claims = payload as Set['claims']
    return { header: { ...protectedHeader }, claims, type: Object.keys(claims.events).join() }
  }
  /** Attempts everything that is due to a stream, as lanes do. */
  const attemptDue = async (targetId: string): Promise<string[]> => {
    const { refs } = await store.dueDeliveries({ targetId, nowMs: clock.steadyMs(), limit: 100 })
    const outcomes: string[] = []
    for (const ref of refs) outcomes.push((await attempt(rig.deps, ref)).outcome)
    return outcomes
  }
  /**
   * Returns the events that were pushed to the receiver since the last call, after it has attempted
   * all that is due.
   */
  let seen = 0
  const pushed = async (stream: string, clientId: string): Promise<Set[]> => {
    await attemptDue(stream)
    const fresh = receiver.requests.slice(seen)
    seen = receiver.requests.length
    return Promise.all(fresh.map(({ body }) => verified(body, clientId)))
  }
  const api = async (client: RegisteredClient, scope?: string) => call(await tokenOf(client, scope))
  return { rig, receiver, instance, tokenOf, call, api, verified, attemptDue, pushed }
}

export type World = Awaited<ReturnType<typeof world>>

export const pushTo = (receiver: Receiver, more: object = {}) => ({
  delivery: {
    method: PUSH,
    endpoint_url: receiver.url,
    authorization_header: 'Bearer of-the-receiver',
  },
  events_requested: EVERY,
  ...more,
})
export const polling = { delivery: { method: POLL }, events_requested: EVERY }

/** Adds a push stream whose endpoint has accepted its verification event. */
export async function pushStream(
  { receiver, api, pushed }: World,
  client: RegisteredClient,
  more: object = {},
) {
  const call = await api(client)
  const made = await call('POST', '/ssf/streams', pushTo(receiver, more))
  expect(made.status).toBe(201)
  const id = made.json.stream_id
  expect((await pushed(id, client.clientId)).map(({ type }) => type)).toEqual([VERIFICATION])
  return { id, call }
}

import { expect } from 'vitest'
import { signalIssuerChecks } from '../../src/operations/checks/signal-issuers.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import type { StreamSettings } from '../../src/config/signal-stream.ts'
import type { SignalIssuer } from '../../src/config/config.ts'
import type { Outbound } from '../../src/runtime/outbound.ts'
import { isManaged, openIssuers } from '../../src/signals/received/issuers.ts'
import { createPolling } from '../../src/signals/received/poll.ts'
import { tendStream } from '../../src/signals/received/stream-care.ts'
import { createTransmitter } from '../../src/signals/received/transmitter.ts'
import { createRig, type RegisteredClient, TENANT } from '../rig.ts'
import { deliverLogout as attempt } from '../workers/attempt.ts'
import { signalsOf } from './signals-of.ts'

/**
 * Two brokers over HTTP: one is the transmitter, and the other manages its stream there. Both have
 * the same user with the same session.
 */

type Request = Parameters<Outbound['request']>
/** Answers in place of the transmitter; undefined: the request reaches it. */
export type Fault = (
  url: string,
  init: Request[1],
) => { status: number; body?: string } | 'hangs' | undefined

async function startTransmitter() {
  const rig = await createRig({ listening: true })
  await rig.store.putTenant({
    tid: TENANT,
    name: 'Contoso',
    mfaProof: 'auth_context:c1',
    connectedAt: rig.clock.now(),
  })
  const gateway = () =>
    rig.register('Gateway', {
      grants: ['authorization_code', 'refresh_token', 'client_credentials'],
      scopes: ['openid', 'offline_access', 'ssf.read', 'ssf.manage'],
      logoutUris: [],
    })
  return { rig, gateway }
}

export async function managed(
  delivery: StreamSettings['delivery'],
  changes: Partial<SignalIssuer> = {},
) {
  const { rig: there, gateway } = await startTransmitter()
  const { issuer } = there.config
  const client = await gateway()
  const { secret } = client
  const stream: StreamSettings = {
    delivery,
    events: undefined,
    configurationUri: `${issuer}/.well-known/ssf-configuration`,
    authorization: {
      kind: 'client',
      tokenEndpoint: `${issuer}/token`,
      clientId: 'gateway',
      secret,
      scope: 'ssf.read ssf.manage',
    },
  }
  const known: SignalIssuer = {
    issuer,
    kind: 'secevent',
    jwksUri: `${issuer}/jwks`,
    audience: `${issuer}/ssf/receivers/gateway`,
    subject: 'opaque',
    tenants: undefined,
    maxSilenceSeconds: 600,
    stream,
    ...changes,
  }
  const here = await createRig({ listening: true, config: { signals: signalsOf([known]) } })
  await there.store.putClient({
    clientId: 'gateway',
    source: 'command',
    now: there.clock.now(),
    metadata: { ...client.metadata, ssfPushOrigins: [here.config.issuer] },
  })
  await there.clients.reload()
  return { there, here, known, secret, ...receiverOf(here), ...acts(there, here, client) }
}

type Rig = Awaited<ReturnType<typeof createRig>>

/** Returns the receiver's side, whose network the test controls. */
function receiverOf(here: Rig) {
  const requests: { method: string; url: string; body: string | undefined }[] = []
  const network: { fault: Fault } = { fault: () => undefined }
  const outbound: Outbound = {
    ...here.deps.outbound,
    request: async (url, init) => {
      requests.push({ method: init.method, url, body: init.body })
      const answer = network.fault(url, init)
      if (answer === 'hangs')
        return new Promise((_, cut) =>
          init.signal?.addEventListener('abort', () => cut(new Error('cut off'))),
        )
      return answer === undefined
        ? here.deps.outbound.request(url, init)
        : { headers: {}, body: '', ...answer }
    },
  }
  const deps = { ...here.deps, outbound }
  const issuer = [...openIssuers(deps).secevent.values()].find(isManaged) ?? expect.unreachable()
  const another = () => createTransmitter(deps, issuer)
  const transmitter = another()
  /** Polls as another broker beside this one does. */
  const polling = () => createPolling(deps, issuer, another())
  const tend = (by = transmitter) => tendStream(deps, issuer, by)
  /** Tends the stream as after a restart with these settings. */
  const tendWith = (changes: Partial<StreamSettings>) => {
    const changed = { ...issuer, stream: { ...issuer.stream, ...changes } }
    return tendStream(deps, changed, createTransmitter(deps, changed))
  }
  const checks = createChecks(here.deps, signalIssuerChecks)
  const state = async () => (await checks.look({ fresh: true }))[0]?.state
  const problems = () =>
    here.lines
      .map((line) => JSON.parse(line) as { event: string; problem?: string })
      .filter(({ event }) => event === 'signal_stream_failed')
  return { deps, another, polling, network, requests, tend, tendWith, state, problems }
}

function acts(there: Rig, here: Rig, client: RegisteredClient) {
  const stream = async () => there.store.streamOfClient('gateway')
  /** Attempts all that is due to the stream, and returns the outcomes. */
  const pushAll = async (): Promise<string[]> => {
    const { id } = (await stream()) ?? expect.unreachable()
    const { refs } = await there.store.dueDeliveries({
      targetId: id,
      nowMs: there.clock.steadyMs(),
      limit: 100,
    })
    const outcomes: string[] = []
    for (const ref of refs) outcomes.push((await attempt(there.deps, ref)).outcome)
    return outcomes
  }
  const advance = (seconds: number): void =>
    [there, here].forEach(({ clock }) => clock.advance(seconds))
  /**
   * Opens the same session at both brokers. The client of the stream took part in it at the
   * transmitter.
   */
  const signIn = async (oid: string) => {
    const { session } = await there.openSession({ user: { oid } })
    await there.signInAt(session.sid, client)
    const { user, authTime, idleSeconds, absoluteAt, roles, staySignedIn, device } = session
    await here.store.signIn({
      session: {
        user,
        authTime,
        visitStartedAt: authTime,
        idleSeconds,
        absoluteAt,
        roles,
        staySignedIn,
        device,
        cookieHash: `cookie of ${oid}`,
      },
      provenSeq: Number.MAX_SAFE_INTEGER,
      ids: { sub: session.sub, sid: session.sid },
      now: here.clock.now(),
    })
    const stateHere = async () =>
      (await here.store.statusBySid(session.sid, here.clock.now())).state
    const revokeThere = () =>
      there.store.revoke({
        selector: { kind: 'session', sid: session.sid },
        reason: 'administrator',
        actor: { kind: 'operator', id: 'olga' },
        now: there.clock.now(),
      })
    return { sid: session.sid, stateHere, revokeThere }
  }
  return { stream, pushAll, advance, signIn }
}

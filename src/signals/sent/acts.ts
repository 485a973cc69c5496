import type { z } from 'zod'
import type { Context } from 'hono'
import type { SignalStream } from '../../../db/types.ts'
import { record } from '../../audit/record.ts'
import type { Deps } from '../deps.ts'
import { changes } from '../../protocol/changes.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { OAuthError } from '../../protocol/error.ts'
import { newId } from '../../runtime/ids.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import { mustBeWithin } from '../../runtime/rate-limits.ts'
import { releaseStream } from '../../outbox/security-event-message.ts'
import {
  type creating,
  deliveryOf,
  mustMatch,
  type replacing,
  type updating,
  VERIFICATION_SECONDS,
} from './stream.ts'
import type { Caller } from '../../audit/caller.ts'
import { clientByToken } from '../../clients/own-token.ts'
import { type SSF_SCOPES, ssfAudience } from '../../protocol/names.ts'

/** The acts of a receiver on its stream. Each is recorded in the audit log. */

const noSuchStream = (): OAuthError =>
  new OAuthError(
    'invalid_request',
    'There is no stream of this id. GET /ssf/streams lists yours.',
    { status: 404 },
  )

/**
 * Returns the client's own stream.
 * @throws OAuthError 404, also for a stream of another client
 */
export async function ownStream(
  { store }: Pick<Deps, 'store'>,
  client: Client,
  id: string | undefined,
): Promise<SignalStream> {
  if (id === undefined)
    throw new OAuthError('invalid_request', 'The parameter stream_id is missing.')
  const stream = canBeStored(id) ? await store.findStream(id) : undefined
  if (stream === undefined || stream.clientId !== client.clientId) throw noSuchStream()
  return stream
}

/**
 * Carries out a change of a stream with an entry in the audit log.
 * @throws OAuthError 429, so that a receiver cannot fill the audit log
 */
function recordChange<T>(
  deps: Deps,
  client: Client,
  act: string,
  id: string,
  details: Record<string, unknown>,
  work: () => Promise<T>,
): Promise<T> {
  mustBeWithin(deps.rateLimits, 'streamChanges', { clientId: client.clientId })
  return record(
    deps,
    callerOf(client),
    { act: `stream.${act}`, target: `stream ${id}`, details },
    async () => {
      const answer = await work()
      deps.log.info('stream_changed', { stream: id, client_id: client.clientId, how: act })
      return answer
    },
  )
}

/** Returns the stream's properties for the audit log, without the header of the endpoint. */
const noted = ({
  method,
  endpointUrl,
  eventsRequested,
  description,
  status,
}: SignalStream): Record<string, unknown> => ({
  method,
  endpoint_url: endpointUrl ?? null,
  events_requested: eventsRequested,
  description: description ?? null,
  status,
})

/**
 * Creates a stream. A client can have only one (SSF 1.0 §8.1.1.1).
 * @throws OAuthError 409
 */
export async function createStream(
  deps: Deps,
  client: Client,
  wanted: z.output<typeof creating>,
): Promise<SignalStream> {
  const now = deps.clock.now()
  const { clientId } = client
  const id = `st_${newId(deps.random)}`
  const stream: SignalStream = {
    id,
    clientId,
    ...deliveryOf(deps, client, id, wanted.delivery),
    eventsRequested: [...new Set(wanted.events_requested)],
    description: wanted.description,
    status: 'enabled',
    statusBy: 'receiver',
    createdAt: now,
    updatedAt: now,
  }
  return recordChange(deps, client, 'create', id, noted(stream), async () => {
    const { added, refs } = await deps.store.addStream(stream)
    if (!added)
      throw new OAuthError(
        'invalid_request',
        'The client already has a stream, or the broker has its maximum of 100. GET /ssf/streams lists yours: change or delete it.',
        { status: 409 },
      )
    deps.queue.send(refs)
    return stream
  })
}

type Change = Parameters<Deps['store']['changeStream']>[0]['change']

/**
 * Changes only the members that were sent (PATCH). A header that was not sent is kept if the
 * endpoint stays the same.
 */
export async function updateStream(
  deps: Deps,
  client: Client,
  sent: z.output<typeof updating>,
): Promise<SignalStream> {
  const stream = await ownStream(deps, client, sent.stream_id)
  mustMatch(deps, stream, sent)
  const { delivery, events_requested: events, description } = sent
  const keeps =
    delivery?.authorization_header === undefined && delivery?.endpoint_url === stream.endpointUrl
  const { authorizationSealed } = stream
  const change: Change = {
    ...(delivery !== undefined && {
      ...deliveryOf(deps, client, stream.id, delivery ?? undefined),
      ...(delivery && keeps && { authorizationSealed }),
    }),
    ...(events !== undefined && { eventsRequested: [...new Set(events)] }),
    ...(description !== undefined && { description: description ?? undefined }),
  }
  return applied(deps, client, stream, change)
}

/** Replaces the stream (PUT): members that were not sent are deleted (SSF 1.0 §8.1.1.4). */
export async function replaceStream(
  deps: Deps,
  client: Client,
  sent: z.output<typeof replacing>,
): Promise<SignalStream> {
  const stream = await ownStream(deps, client, sent.stream_id)
  mustMatch(deps, stream, sent)
  const { delivery, events_requested: events, description } = sent
  return applied(deps, client, stream, {
    ...deliveryOf(deps, client, stream.id, delivery),
    eventsRequested: [...new Set(events)],
    description,
  })
}

const applied = (
  deps: Deps,
  client: Client,
  stream: SignalStream,
  change: Change,
): Promise<SignalStream> =>
  recordChange(
    deps,
    client,
    'change',
    stream.id,
    { changed: changes(noted(stream), noted({ ...stream, ...change })) },
    async () => {
      const done = await deps.store.changeStream({ id: stream.id, change, now: deps.clock.now() })
      if (done === undefined) throw noSuchStream()
      deps.queue.send(done.refs)
      return done.stream
    },
  )

/**
 * Sets the status. Disabling a stream closes its pending events; enabling a paused one pushes the
 * held events.
 */
export async function setStatus(
  deps: Deps,
  client: Client,
  stream: SignalStream,
  { status, reason: statusReason }: { status: SignalStream['status']; reason?: string | undefined },
): Promise<SignalStream> {
  const done = await applied(deps, client, stream, { status, statusReason, statusBy: 'receiver' })
  if (status === 'disabled')
    await deps.store.closeDeliveries({
      targetId: stream.id,
      reason: 'The stream was disabled by its receiver.',
    })
  if (status === 'enabled') await releaseStream(deps, stream.id)
  return done
}

export async function deleteStream(
  deps: Deps,
  client: Client,
  stream: SignalStream,
): Promise<void> {
  await recordChange(deps, client, 'delete', stream.id, noted(stream), async () => {
    if (!(await deps.store.removeStream(stream.id))) throw noSuchStream()
    await deps.store.closeDeliveries({
      targetId: stream.id,
      reason: 'The stream was deleted by its receiver.',
    })
  })
}

/**
 * Queues a verification event (SSF 1.0 §8.1.4.2).
 * @throws OAuthError 429
 */
export async function askVerification(
  deps: Deps,
  { id }: SignalStream,
  state: string | undefined,
): Promise<void> {
  const now = deps.clock.now()
  const answer = await deps.store.verifyStream({
    id,
    state,
    notBefore: now - VERIFICATION_SECONDS + 1,
    now,
  })
  if (answer.outcome === 'unknown') throw noSuchStream()
  if (answer.outcome === 'disabled')
    throw new OAuthError('invalid_request', 'The stream is disabled. Enable it first.')
  if (answer.outcome === 'too_soon') {
    const headers = { 'Retry-After': String(answer.askedAt + VERIFICATION_SECONDS - now) }
    throw new OAuthError(
      'temporarily_unavailable',
      `Request verification at most once in ${VERIFICATION_SECONDS} s (min_verification_interval).`,
      {
        status: 429,
        headers,
      },
    )
  }
  deps.queue.send(answer.refs)
}

/** The caller of the Shared Signals API: a registered client with an access token for it. */

type Scope = (typeof SSF_SCOPES)[number]

const challenge = (error: string, scope: readonly Scope[]): Record<string, string> => ({
  'WWW-Authenticate': `Bearer realm="ssf", error="${error}", scope="${scope.join(' ')}"`,
})

/**
 * Returns the client that the request's access token was issued to.
 * @param scopes any one of these is sufficient (CAEP Interoperability Profile 1.0 §2.7.3)
 * @throws OAuthError invalid_token (401), insufficient_scope (403)
 */
export async function receiverOf(
  deps: Deps,
  c: Context,
  scopes: readonly Scope[],
): Promise<Client> {
  const { clock, config } = deps
  const found = await clientByToken(deps, c.req.header('authorization'), {
    audience: ssfAudience(config.issuer),
    now: clock.now(),
  })
  if (found === undefined)
    throw new OAuthError(
      'invalid_token',
      'Ask POST /token for an access token: grant_type=client_credentials with the scope ssf.read or ssf.manage.',
      {
        headers: challenge('invalid_token', scopes),
      },
    )
  if (!scopes.some((scope) => found.granted.includes(scope)))
    throw new OAuthError(
      'insufficient_scope',
      `This needs an access token with the scope ${scopes.join(' or ')}.`,
      {
        headers: challenge('insufficient_scope', scopes),
      },
    )
  return found.client
}

/** Returns the client as the audit log names it. */
const callerOf = ({ clientId }: Client): Caller => ({
  actor: { kind: 'client', id: clientId },
  source: 'api',
  via: 'api',
  may: 'operate',
})

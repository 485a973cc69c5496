import { parseJson } from '../protocol/params.ts'
import type { Delivery, SignalStream } from '../../db/types.ts'
import { type Client, addressIn } from '../protocol/client-metadata.ts'
import type { Deps } from './deps.ts'
import { streamAudience, TYP } from '../protocol/names.ts'
import {
  type About,
  isAboutStream,
  isPushing,
  type SetPayload,
  VERIFICATION,
} from '../protocol/stream-event.ts'
import { type MessageKind, classifyResponse, type Answer, type Verdict } from './attempt.ts'

/**
 * Security event tokens (RFC 8417) as a kind of message, pushed by RFC 8935. Every attempt of a
 * delivery has the same `jti`.
 */

type Needs = Pick<
  Deps,
  'config' | 'keys' | 'store' | 'sealer' | 'webhookOutbound' | 'clients' | 'clock'
>

/** Returns the place for which the Authorization header of an endpoint is sealed. */
export const authorizationPlace = (streamId: string): string =>
  `streams/${streamId}/authorization_sealed`

export const securityEvents = (deps: Needs): MessageKind => ({
  async mint(delivery) {
    const { id, targetId, payload, uri } = delivery
    const stream = await deps.store.findStream(targetId)
    const client =
      stream && (deps.clients.find(stream.clientId) ?? (await registered(deps, stream.clientId)))
    if (stream === undefined || client === undefined)
      return { rejected: 'the stream or its client was removed' }
    if (payload === undefined) return { rejected: 'its content was erased' }
    const message = JSON.parse(payload) as SetPayload
    if (stream.method === 'poll' || !(isAboutStream(message.type) || isPushing(stream)))
      return stream.status === 'disabled' ? { rejected: 'the stream is disabled' } : { held: true }
    const problem =
      endpointProblem(client, uri) &&
      endpointProblem((await registered(deps, client.clientId)) ?? client, uri)
    if (problem !== undefined) return { rejected: problem }
    const authorization = authorizationOf(deps, stream)
    if (authorization === undefined)
      return {
        rejected:
          'its header is sealed under a BROKER_SECRET that is not set; the receiver must send authorization_header again',
      }
    const headers = {
      'content-type': 'application/secevent+jwt',
      accept: 'application/json',
      ...authorization,
    }
    return { headers, body: await mintSet(deps, stream, { ...delivery, message }), jti: id }
  },
  outbound: deps.webhookOutbound,
  classify: classifyPush,
  async delivered({ targetId, uri, payload }) {
    const { type } = JSON.parse(payload ?? '{}') as Partial<SetPayload>
    if (type === VERIFICATION)
      await deps.store.streamVerified({ id: targetId, endpointUrl: uri, now: deps.clock.now() })
  },
})

/**
 * Returns the registration of a client from the store. A rejection is final, so it goes by this
 * one: another broker may have made or changed it just now.
 */
async function registered(
  { store }: Pick<Deps, 'store'>,
  clientId: string,
): Promise<Client | undefined> {
  const client = await store.findClient(clientId)
  return client?.removedAt === undefined ? client : undefined
}

/**
 * Returns the verdict on an answer (RFC 8935 §2.3, §2.4): 202 or any other 2xx accepts; 400 with an
 * `err` rejects this token.
 */
function classifyPush(answer: Answer, now: number): Verdict {
  const err = answer.status === 400 ? errOf(answer.body) : undefined
  return err === undefined
    ? classifyResponse({ ...answer, body: '' }, now)
    : { outcome: 'rejected', code: `HTTP 400 ${err}`, error: `HTTP 400 ${err}` }
}

function errOf(body: string): string | undefined {
  const { err } = (parseJson(body) ?? {}) as { err?: unknown }
  return typeof err === 'string' && /^\w{1,40}$/.test(err) ? err : undefined
}

const authorizationOf = (
  { sealer }: Needs,
  { id, authorizationSealed: sealed }: SignalStream,
): Record<string, string> | undefined => {
  if (sealed === undefined) return {}
  const opened = sealer.open(authorizationPlace(id), sealed)
  return opened && { authorization: opened.toString('utf8') }
}

/**
 * Returns why security events must not be pushed to an address, or undefined. Only an administrator
 * sets the origins that may receive a client's events.
 */
export const endpointProblem = (
  { metadata }: Pick<Client, 'metadata'>,
  url: string,
): string | undefined =>
  metadata.ssfPushOrigins?.includes(new URL(url).origin) === true
    ? undefined
    : `${new URL(url).origin} is not among the ssf_push_origins of the client`

/**
 * Signs a security event token. It has no `exp`, `sub` or `nonce` (SSF 1.0 §4.1); `txn` is the id
 * of the delivery.
 */
export async function mintSet(
  deps: Pick<Deps, 'config' | 'keys' | 'clients' | 'store'>,
  { id: streamId, clientId }: Pick<SignalStream, 'id' | 'clientId'>,
  {
    id,
    createdAtMs,
    message: { type, about, event },
  }: Pick<Delivery, 'id' | 'createdAtMs'> & { message: SetPayload },
): Promise<string> {
  const { issuer } = deps.config
  const subject =
    about === undefined
      ? opaque(streamId)
      : subjectOf(issuer, about, await emailOf(deps, clientId, about))
  return deps.keys.signAside('RS256', TYP.securityEvent, {
    iss: issuer,
    aud: streamAudience(issuer, clientId),
    iat: Math.floor(createdAtMs / 1000),
    jti: id,
    txn: id,
    sub_id: subject,
    events: { [type]: event },
  })
}

/**
 * Returns the user's email address if the client's registration ties its domain to the user's own
 * tenant. Otherwise an administrator of one tenant could name users of another. It is read for each
 * attempt, so that no stored event contains an address.
 */
async function emailOf(
  { clients, store }: Pick<Deps, 'clients' | 'store'>,
  clientId: string,
  { sub }: About,
): Promise<string | undefined> {
  const domainsOf = clients.find(clientId)?.metadata.ssfEmailDomains
  if (domainsOf === undefined || sub === undefined) return undefined
  const user = await store.findSubject(sub)
  return user?.email === undefined ? undefined : addressIn(user.email, domainsOf[user.tid] ?? [])
}

const opaque = (id: string): Record<string, unknown> => ({ format: 'opaque', id })

/**
 * Returns the subject of an event: `iss_sub` (RFC 9493 §3.2.3), with an email address as `aliases`
 * (§3.2.8), or a complex subject for a session or a tenant (SSF 1.0 §3.2).
 */
function subjectOf(
  iss: string,
  { sub, sid, tid }: About,
  email: string | undefined,
): Record<string, unknown> {
  const known = sub === undefined ? undefined : { format: 'iss_sub', iss, sub }
  const user =
    email === undefined
      ? known
      : { format: 'aliases', identifiers: [known, { format: 'email', email }] }
  if (user !== undefined && sid === undefined) return user
  return {
    format: 'complex',
    ...(user !== undefined && { user }),
    ...(sid !== undefined && { session: opaque(sid) }),
    ...(tid !== undefined && { tenant: opaque(tid) }),
  }
}

/** The most rows released in one transaction. */
const PAGE = 200

/**
 * Makes the deliveries due that a push stream held while it was paused or not verified, and queues
 * them as urgent. Does nothing unless the stream is pushing.
 */
export async function releaseStream(
  { store, queue }: Pick<Deps, 'store' | 'queue'>,
  id: string,
  stillGoing: () => boolean = () => true,
): Promise<void> {
  while (stillGoing()) {
    const refs = await store.releaseStream({ id, limit: PAGE })
    if (refs.length === 0) return
    queue.send(refs)
  }
}

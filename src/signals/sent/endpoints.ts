import { z } from 'zod'
import { type Context, Hono } from 'hono'
import {
  type Answer,
  type Description,
  json,
  limited,
  rejected,
  text,
  described,
} from '../../protocol/described.ts'
import { polled, polling, Polls } from './poll.ts'
import { creating, replacing, streamShape, updating, shownStatus, streamOnWire } from './stream.ts'
import { storedText } from '../../protocol/stored-text.ts'
import type { Deps } from '../deps.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import {
  askVerification,
  createStream,
  deleteStream,
  ownStream,
  replaceStream,
  setStatus,
  updateStream,
  receiverOf,
} from './acts.ts'
import { readText } from '../../clients/form.ts'
import { OAuthError } from '../../protocol/error.ts'
import { DELIVERY } from '../../protocol/stream-event.ts'

/**
 * The broker as a transmitter of Shared Signals: its configuration, and the management of streams
 * by their receivers. A client reaches only its own stream.
 */

const read = { tag: 'ssf', security: [{ ssf: ['ssf.read'] }] } as const
const manage = { tag: 'ssf', security: [{ ssf: ['ssf.manage'] }] } as const
const rejections = {
  401: rejected('The access token is missing or not valid.'),
  403: rejected('The access token lacks the scope.'),
} as const
const body400 = {
  400: rejected('The body is not valid.'),
  413: rejected('The body is too large.'),
  415: rejected('The body is not JSON.'),
} as const
const unknown404 = { 404: rejected('The client has no stream of this id.') } as const
const answer: Answer = ['The stream.', json(streamShape)]
const query = z.object({ stream_id: text })

const statusSchema = z.object({
  stream_id: text,
  status: z.enum(['enabled', 'paused', 'disabled']),
  reason: storedText().max(500).optional(),
})
const verificationSchema = z.object({ stream_id: text, state: storedText().max(1000).optional() })
const subjectSchema = z.object({
  stream_id: text,
  subject: z
    .looseObject({ format: storedText().max(100).optional() })
    .meta({ description: 'RFC 9493' }),
  verified: z.boolean().optional(),
})

const CREATE: Description = {
  id: 'createOwnStream',
  summary: 'Creates the stream of the client',
  ...manage,
  body: json(creating),
  answers: {
    201: answer,
    ...body400,
    ...rejections,
    409: rejected('The client already has a stream.'),
    ...limited,
  },
}
const READ: Description = {
  id: 'readOwnStream',
  summary: 'Reads the stream of the client; without stream_id, a list of it',
  ...read,
  query: query.partial(),
  answers: {
    200: ['The stream, or the list.', json(z.union([streamShape, z.array(streamShape)]))],
    ...rejections,
    ...unknown404,
  },
}
const UPDATE: Description = {
  id: 'updateOwnStream',
  summary: 'Changes the members that are sent, and keeps the others',
  ...manage,
  body: json(updating),
  answers: { 200: answer, ...body400, ...rejections, ...unknown404, ...limited },
}
const REPLACE: Description = {
  id: 'replaceOwnStream',
  summary: 'Replaces all members that the receiver supplies',
  ...manage,
  body: json(replacing),
  answers: { 200: answer, ...body400, ...rejections, ...unknown404, ...limited },
}
const DELETE: Description = {
  id: 'deleteOwnStream',
  summary: 'Deletes the stream and the events that it keeps',
  ...manage,
  query,
  answers: {
    204: ['Deleted.'],
    400: rejected('stream_id is missing.'),
    ...rejections,
    ...unknown404,
    ...limited,
  },
}
const status: Answer = ['The status.', json(statusSchema)]
const READ_STATUS: Description = {
  id: 'readOwnStreamStatus',
  summary: 'Reads whether events are sent',
  ...read,
  query,
  answers: { 200: status, 400: rejected('stream_id is missing.'), ...rejections, ...unknown404 },
}
const UPDATE_STATUS: Description = {
  id: 'updateOwnStreamStatus',
  summary: 'Enables, pauses or disables the stream',
  ...manage,
  body: json(statusSchema),
  answers: { 200: status, ...body400, ...rejections, ...unknown404, ...limited },
}
const VERIFY: Description = {
  id: 'verifyOwnStream',
  summary: 'Asks for a verification event',
  ...manage,
  body: json(verificationSchema),
  answers: {
    204: ['The broker sends it.'],
    ...body400,
    ...rejections,
    ...unknown404,
    429: rejected('Too soon. Retry-After says when to ask again.'),
  },
}
const subjects = (id: string, summary: string, done: 200 | 204): Description => ({
  id,
  summary,
  ...manage,
  body: json(subjectSchema),
  answers: {
    [done]: ['The same answer for every subject.'],
    ...body400,
    ...rejections,
    ...unknown404,
  },
})
const ADD_SUBJECT = subjects(
  'addSubject',
  'Accepts a subject, and changes nothing: the stream has all subjects of the client',
  200,
)
const REMOVE_SUBJECT = subjects(
  'removeSubject',
  'Accepts a subject, and changes nothing: the stream keeps all subjects of the client',
  204,
)
const POLL: Description = {
  id: 'pollOwnStream',
  summary: 'Polls for security event tokens, and acknowledges them (RFC 8936)',
  ...read,
  body: json(polling),
  params: z.object({ id: text }),
  answers: {
    200: ['The events that are not acknowledged.', json(polled)],
    ...body400,
    ...rejections,
    ...unknown404,
  },
}

type Endpoint = (c: Context, client: Client) => Promise<Response>
type On = (
  method: string,
  path: string,
  about: Description,
  scopes: Parameters<typeof receiverOf>[2],
  endpoint: Endpoint,
) => void

const MAY_READ = ['ssf.read', 'ssf.manage'] as const
const MAY_MANAGE = ['ssf.manage'] as const
const CONFIGURATION_SECONDS = 3600

export function ssfEndpoints(deps: Deps): Hono {
  const endpoints = new Hono()
  const on: On = (method, path, about, scopes, endpoint) => {
    endpoints.on(
      method,
      path,
      described(about, async (c: Context) => {
        c.header('Cache-Control', 'no-store')
        return endpoint(c, await receiverOf(deps, c, scopes))
      }),
    )
  }
  endpoints.get('/.well-known/ssf-configuration', (c) => {
    c.header('Cache-Control', `public, max-age=${CONFIGURATION_SECONDS}`)
    c.header('Access-Control-Allow-Origin', '*')
    return c.json(transmitterConfiguration(deps.config.issuer))
  })
  configuration(deps, on)
  control(deps, on)
  return endpoints
}

/** Adds the endpoints of a stream's configuration (SSF 1.0 §8.1.1). */
function configuration(deps: Deps, on: On): void {
  const path = '/ssf/streams'
  on('POST', path, CREATE, MAY_MANAGE, async (c, client) =>
    c.json(streamOnWire(deps, await createStream(deps, client, await bodyOf(c, creating))), 201),
  )
  on('GET', path, READ, MAY_READ, async (c, client) => {
    const id = c.req.query('stream_id')
    if (id !== undefined) return c.json(streamOnWire(deps, await ownStream(deps, client, id)))
    const stream = await deps.store.streamOfClient(client.clientId)
    return c.json(stream === undefined ? [] : [streamOnWire(deps, stream)])
  })
  on('PATCH', path, UPDATE, MAY_MANAGE, async (c, client) =>
    c.json(streamOnWire(deps, await updateStream(deps, client, await bodyOf(c, updating)))),
  )
  on('PUT', path, REPLACE, MAY_MANAGE, async (c, client) =>
    c.json(streamOnWire(deps, await replaceStream(deps, client, await bodyOf(c, replacing)))),
  )
  on('DELETE', path, DELETE, MAY_MANAGE, async (c, client) => {
    await deleteStream(deps, client, await ownStream(deps, client, c.req.query('stream_id')))
    return c.body(null, 204)
  })
}

/**
 * Adds the endpoints of status, subjects, verification (SSF 1.0 §8.1.2 to §8.1.4) and polling (RFC
 * 8936).
 */
function control(deps: Deps, on: On): void {
  on('GET', '/ssf/status', READ_STATUS, MAY_READ, async (c, client) =>
    c.json(shownStatus(await ownStream(deps, client, c.req.query('stream_id')))),
  )
  on('POST', '/ssf/status', UPDATE_STATUS, MAY_MANAGE, async (c, client) => {
    const wanted = await bodyOf(c, statusSchema)
    return c.json(
      shownStatus(
        await setStatus(deps, client, await ownStream(deps, client, wanted.stream_id), wanted),
      ),
    )
  })
  on('POST', '/ssf/verification', VERIFY, MAY_MANAGE, async (c, client) => {
    const { stream_id: id, state } = await bodyOf(c, verificationSchema)
    await askVerification(deps, await ownStream(deps, client, id), state)
    return c.body(null, 204)
  })
  // The subject is neither looked up nor stored: the answer does not reveal whether a user exists,
  // and a removal hides no ended session.
  for (const [path, description, status] of [
    ['/ssf/subjects/add', ADD_SUBJECT, 200],
    ['/ssf/subjects/remove', REMOVE_SUBJECT, 204],
  ] as const)
    on('POST', path, description, MAY_MANAGE, async (c, client) => {
      await ownStream(deps, client, (await bodyOf(c, subjectSchema)).stream_id)
      return c.body(null, status)
    })
  const polls = new Polls(deps)
  on('POST', '/ssf/poll/:id', POLL, MAY_READ, async (c, client) => {
    const stream = await ownStream(deps, client, c.req.param('id'))
    return c.json(await polls.poll(stream, await bodyOf(c, polling), c.req.raw.signal))
  })
}

const MOST_BYTES = 64 * 1024

/**
 * Returns the validated JSON body.
 * @throws OAuthError 400, 413, 415
 */
async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new OAuthError('invalid_request', 'Send the body as application/json.', { status: 415 })
  const parsed = schema.safeParse(parse(await readText(c, MOST_BYTES)))
  if (parsed.success) return parsed.data
  throw new OAuthError(
    'invalid_request',
    parsed.error.issues
      .map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
      .join('; '),
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new OAuthError(
      'invalid_request',
      'The body is not valid JSON. Check for a missing quote or an extra comma.',
    )
  }
}

/** The transmitter's metadata (SSF 1.0 §7.1, CAEP Interoperability Profile 1.0 §2.3). */
const transmitterConfiguration = (issuer: string): Record<string, unknown> => ({
  spec_version: '1_0',
  issuer,
  jwks_uri: `${issuer}/jwks`,
  delivery_methods_supported: Object.values(DELIVERY),
  configuration_endpoint: `${issuer}/ssf/streams`,
  status_endpoint: `${issuer}/ssf/status`,
  add_subject_endpoint: `${issuer}/ssf/subjects/add`,
  remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
  verification_endpoint: `${issuer}/ssf/verification`,
  authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
  default_subjects: 'ALL',
})

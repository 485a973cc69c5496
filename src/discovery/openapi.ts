import { brokerPaths } from './openapi-broker.ts'
import { clientPaths } from './openapi-clients.ts'
import { answer, body, integer, type Json, object, query, ref, text } from './openapi-parts.ts'
import { revocationPaths } from './openapi-revocations.ts'
import { schemas } from './openapi-schemas.ts'

/** OpenAPI 3.1 of everything that is not OpenID Connect or OAuth: those have their own metadata. A test holds it against the routes and their answers. */

const refused = (description: string): Json => answer(description, ref('OAuthError'))
const asClient = { security: [{ client: [] }] }

const feed: Record<string, Json> = {
  '/revocations': {
    get: {
      operationId: 'followRevocations',
      summary: 'The revocation feed: a snapshot, or events as they happen with Accept: text/event-stream',
      description: 'Events: snapshot, revocation, keys, reset; the id of each is epoch.seq. docs/feed.md has the protocol; the guard speaks it.',
      tags: ['feed'],
      ...asClient,
      parameters: [
        query('after', integer(), 'a snapshot of what came after this seq; with epoch'),
        query('epoch', text()),
        query('guard', text(undefined, { pattern: '^[A-Za-z0-9._-]{1,64}$', default: 'default' }), 'which of the client’s guards listens'),
        query('last_event_id', text(), 'where the header cannot be sent'),
        { name: 'Last-Event-ID', in: 'header', schema: text('epoch.seq') },
      ],
      responses: {
        200: {
          description: 'the snapshot, or the stream',
          content: { 'application/json': { schema: ref('Snapshot') }, 'text/event-stream': { schema: text() } },
        },
        400: refused('a parameter is wrong'),
        401: refused('no good client credentials'),
      },
    },
  },
  '/revocations/applied': {
    post: {
      operationId: 'reportApplied',
      summary: 'A guard says up to which seq it enforces: the proof that no delivery can give',
      tags: ['feed'],
      ...asClient,
      requestBody: body(object({ epoch: text(), seq: integer(), guard: text(undefined, { pattern: '^[A-Za-z0-9._-]{1,64}$' }) })),
      responses: {
        204: answer('noted'),
        400: refused('a member is wrong'),
        401: refused('no good client credentials'),
        409: refused('no position of this log: connect anew'),
        413: refused('too large'),
        415: refused('not application/json'),
      },
    },
  },
}

const logoutToken = body(object({ logout_token: text() }), 'application/x-www-form-urlencoded')

const signals: Record<string, Json> = {
  '/signal/microsoft/front-channel-logout': {
    get: {
      operationId: 'microsoftFrontChannelLogout',
      summary: 'Microsoft’s sign-out page loads it, with the sid of its own session',
      tags: ['signals'],
      security: [],
      parameters: [query('sid', text()), query('iss', text(), 'a connected tenant’s issuer, where it is sent')],
      responses: { 200: answer('an empty page, whatever came of it', text(), 'text/html') },
    },
  },
  '/signal/microsoft/graph': {
    post: {
      operationId: 'microsoftGraphNotification',
      summary: 'Change notifications of Microsoft Graph, and its handshake',
      tags: ['signals'],
      security: [],
      parameters: [query('validationToken', text(), 'the handshake')],
      requestBody: { content: { 'application/json': { schema: object({ value: { type: 'array', items: { type: 'object' } } }) } } },
      responses: {
        200: answer('the handshake’s token', text(), 'text/plain'),
        202: answer('taken; what is not of a known subscription is passed over'),
        400: refused('no notification'),
        404: refused('no tenant’s changes are followed'),
        413: refused('too large'),
      },
    },
  },
  '/signal/events': {
    post: {
      operationId: 'securityEvent',
      summary: 'Security event tokens (RFC 8935) of configured issuers; not there where none is configured',
      tags: ['signals'],
      security: [],
      requestBody: body(text('a security event token (RFC 8417)'), 'application/secevent+jwt'),
      responses: {
        202: answer('committed'),
        400: answer('refused (RFC 8935 §2.4)', object({ err: text(), description: text() })),
        503: answer('the issuer’s keys cannot be read now: send it again'),
      },
    },
  },
  '/signal/upstream/back-channel-logout': {
    post: {
      operationId: 'upstreamLogout',
      summary: 'Logout tokens of configured OpenID providers; not there where none is configured',
      tags: ['signals'],
      security: [],
      requestBody: logoutToken,
      responses: { 200: answer('committed'), 400: refused('refused'), 503: answer('its keys cannot be read now: send it again') },
    },
  },
}

const health: Record<string, Json> = {
  '/healthz': {
    get: {
      operationId: 'isAlive',
      summary: 'The process answers',
      tags: ['health'],
      security: [],
      responses: { 200: answer('alive', object({ status: { const: 'alive' } })) },
    },
  },
  '/readyz': {
    get: {
      operationId: 'isReady',
      summary: 'What is up and what is down; on the operators’ listener',
      tags: ['health'],
      security: [],
      responses: { 200: answer('ready, or degraded and still of use', ref('Readiness')), 503: answer('it cannot serve', ref('Readiness')) },
    },
  },
  '/metrics': {
    get: {
      operationId: 'readMetrics',
      summary: 'Metrics for Prometheus; on the operators’ listener',
      tags: ['health'],
      security: [],
      responses: { 200: answer('metrics', text(), 'text/plain') },
    },
  },
}

const OPERATORS = {
  url: '{operators}',
  description: 'The operators’ listener (BROKER_OPS_LISTEN), which the public network does not reach',
  variables: { operators: { default: 'http://localhost:7401' } },
}
const onOperators = (path: string): boolean => path.startsWith('/admin/') || path === '/readyz' || path === '/metrics'

export function openApiDocument(issuer: string): Json {
  const paths = { ...feed, ...signals, ...health, ...clientPaths, ...revocationPaths, ...brokerPaths }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Case Manager Identity Broker',
      version: '1',
      summary: 'The revocation feed, the admin API, signals and health.',
      description: `OpenID Connect and OAuth are described by ${issuer}/.well-known/openid-configuration.`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: issuer, description: 'The public listener' }],
    tags: [
      { name: 'feed', description: 'What instances’ guards follow.' },
      { name: 'signals', description: 'What others tell the broker.' },
      { name: 'health', description: 'Whether it is well.' },
      { name: 'admin', description: 'For operators and their programs. Refusals are problem documents (RFC 9457).' },
    ],
    paths: Object.fromEntries(Object.entries(paths).map(([path, item]) => [path, onOperators(path) ? { servers: [OPERATORS], ...item } : item])),
    components: {
      schemas,
      securitySchemes: {
        client: { type: 'http', scheme: 'basic', description: 'A registered client’s id and secret (RFC 6749 §2.3.1).' },
        admin: {
          type: 'oauth2',
          description: 'An access token by client credentials, for a client with one of the scopes.',
          flows: {
            clientCredentials: {
              tokenUrl: `${issuer}/token`,
              scopes: { 'broker:operate': 'reads and redrives', 'broker:administer': 'also revokes, registers and rotates' },
            },
          },
        },
      },
    },
  }
}

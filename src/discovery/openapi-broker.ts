import {
  adminAct,
  answer,
  anyObject,
  body,
  inPath,
  integer,
  type Json,
  limit,
  list,
  object,
  oneOf,
  orNull,
  query,
  ref,
  refusals,
  seconds,
  text,
  writing,
} from './openapi-parts.ts'

/** The admin API’s part about the broker itself: keys, tenants, what is up. */

const rotation = object({ alg: oneOf('ES256', 'RS256'), how: { ...oneOf('next', 'activate', 'emergency'), default: 'next' } }, ['how'])
const newTenant = object(
  { tid: text('a GUID'), name: text(undefined, { maxLength: 100 }), mfa_proof: text('auth_context:c1 (to c25), amr or conditional_access') },
  ['name', 'mfa_proof'],
)

export const brokerPaths: Record<string, Json> = {
  '/admin/v1/keys': {
    get: adminAct('listKeys', 'Signing keys', 'operate', { 200: answer('all of them', object({ keys: list(ref('Key')) })), ...refusals() }),
  },
  '/admin/v1/keys/rotate': {
    post: adminAct(
      'rotateKey',
      'Publishes the next key, uses it, or replaces the active one at once',
      'administer',
      { 201: answer('the new key', ref('Key')), ...refusals(409, ...writing) },
      { requestBody: body(rotation) },
    ),
  },
  '/admin/v1/keys/{kid}/retire': {
    parameters: [inPath('kid')],
    post: adminAct('retireKey', 'Takes a key out of the JWKS; guards drop it at once', 'administer', {
      200: answer('retired', object({ kid: text(), retired: { const: true } })),
      ...refusals(404, 409),
    }),
  },
  '/admin/v1/tenants': {
    get: adminAct('listTenants', 'Microsoft tenants', 'operate', {
      200: answer(
        'all of them',
        object({ tenants: list(ref('Tenant')), differences: list(text('where the settings say otherwise than the store, which counts')) }),
      ),
      ...refusals(),
    }),
    post: adminAct(
      'addTenant',
      'Connects a tenant',
      'administer',
      { 201: answer('connected', ref('Tenant')), ...refusals(409, ...writing) },
      { requestBody: body(newTenant) },
    ),
  },
  '/admin/v1/tenants/{tid}': {
    parameters: [inPath('tid')],
    delete: adminAct('removeTenant', 'Disconnects a tenant and revokes its people’s sessions', 'administer', {
      200: answer('disconnected', object({ tid: text(), removed: { const: true }, seq: integer() })),
      ...refusals(404),
    }),
  },
  '/admin/v1/tenants/{tid}/probe/resume': {
    parameters: [inPath('tid')],
    post: adminAct('resumeProbe', 'Goes on asking Microsoft about a tenant’s people, where that was paused', 'operate', {
      200: answer('resumed', object({ tid: text(), resumed: { const: true } })),
      ...refusals(404),
    }),
  },
  '/admin/v1/microsoft-work/redrive': {
    post: adminAct(
      'redriveMicrosoftWork',
      'Asks Microsoft again what was given up after a day: of one tenant, or all',
      'operate',
      { 200: answer('how many', object({ redriven: integer() })), ...refusals(...writing) },
      {
        requestBody: body({
          ...object({ tid: text(), all: { const: true } }, ['tid', 'all']),
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
        }),
      },
    ),
  },
  '/admin/v1/setup/token': {
    post: adminAct('makeSetupToken', 'The token of the first visit to /setup; only by the socket on the broker’s own machine', 'administer', {
      201: answer('the token, once', object({ token: text(), expires_at: seconds, url: text() })),
      ...refusals(409),
    }),
  },
  '/admin/v1/entra/manifest': {
    get: adminAct(
      'readManifest',
      'The app registration that Entra needs, as its manifest',
      'operate',
      {
        200: answer('the manifest', anyObject),
        ...refusals(),
      },
      { parameters: [query('tenants', oneOf('several'), 'for people of more than one tenant')] },
    ),
  },
  '/admin/v1/backup': {
    post: adminAct(
      'makeBackup',
      'A copy of the store while it serves; only by the socket on the broker’s own machine',
      'administer',
      { 201: answer('made', object({ path: text(), bytes: integer(), log: ref('Position') })), ...refusals(409, ...writing) },
      { requestBody: body(object({ path: text('absolute') })) },
    ),
  },
  '/admin/v1/audit': {
    get: adminAct(
      'readAudit',
      'What operators did, newest first; with Accept: application/jsonl all of it, oldest first',
      'operate',
      {
        200: {
          description: 'entries',
          content: {
            'application/json': { schema: object({ entries: list(ref('AuditEntry')) }) },
            'application/jsonl': { schema: text('an AuditEntry a line') },
          },
        },
        ...refusals(422),
      },
      {
        parameters: [
          query('before', integer()),
          query('after', integer()),
          ...['actor', 'act', 'target', 'case_reference'].map((name) => query(name, text())),
          limit,
        ],
      },
    ),
  },
  '/admin/v1/status': {
    get: adminAct('readStatus', 'What is up, the log’s head, how much is owed to whom', 'operate', {
      200: answer('the status', {
        allOf: [
          ref('Readiness'),
          object({
            issuer: text(),
            log: ref('Position'),
            live_sessions: integer(),
            owed: list(object({ target_id: text(), client_id: text(), uri: text(), owed: integer(), oldest_at_ms: integer() })),
            given_up_at_microsoft: list(
              object({ kind: text(), tid: text(), oid: text(), attempts_made: integer(), asked_at_ms: integer(), last_error: orNull(text()) }),
            ),
          }),
        ],
      }),
      ...refusals(),
    }),
  },
  '/admin/v1/guards': {
    get: adminAct('listGuards', 'Which guards enforce what', 'operate', {
      200: answer('all of them', object({ log: ref('Position'), guards: list(ref('Guard')) })),
      ...refusals(),
    }),
  },
  '/admin/v1/doctor': {
    get: adminAct('examine', 'What cmb doctor finds from inside', 'operate', {
      200: answer('findings', object({ findings: list(ref('Finding')) })),
      ...refusals(),
    }),
  },
}

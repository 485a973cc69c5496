import {
  adminAct,
  answer,
  anyObject,
  body,
  inPath,
  integer,
  type Json,
  list,
  named,
  object,
  oneOf,
  query,
  ref,
  refusals,
  text,
  writing,
} from './openapi-parts.ts'

/** The admin API’s part about instances. */

const clientWithSecret = { allOf: [ref('Client'), { type: 'object', properties: { client_secret: text('shown this once') } }] }
const registrationBody = { requestBody: body(ref('Registration')) }

export const clientPaths: Record<string, Json> = {
  '/admin/v1/clients': {
    get: adminAct('listClients', 'Registered instances', 'operate', {
      200: answer('all of them', object({ clients: list(ref('Client')) })),
      ...refusals(),
    }),
    post: adminAct(
      'addClient',
      'Registers an instance; its secret is in this answer and in no other',
      'administer',
      { 201: answer('registered', clientWithSecret), ...refusals(409, ...writing) },
      registrationBody,
    ),
  },
  '/admin/v1/clients/{id}': {
    parameters: [named],
    get: adminAct('readClient', 'One instance', 'operate', { 200: answer('its registration', ref('Client')), ...refusals(404) }),
    put: adminAct(
      'replaceClient',
      'Replaces a registration, where the admin API made it',
      'administer',
      { 200: answer('as it is now', ref('Client')), ...refusals(404, 409, ...writing) },
      registrationBody,
    ),
    patch: adminAct(
      'changeClient',
      'Changes fields of a registration; null takes one away (RFC 7396, first level)',
      'administer',
      { 200: answer('as it is now', ref('Client')), ...refusals(404, 409, ...writing) },
      { requestBody: body(anyObject, 'application/merge-patch+json') },
    ),
    delete: adminAct(
      'removeClient',
      'Removes an instance and revokes what it holds',
      'administer',
      {
        200: answer('removed', object({ client_id: text(), removed: { const: true }, seq: integer(), notes: list(text()) })),
        ...refusals(404, 409, 422),
      },
      { parameters: [query('source', oneOf('file', 'command', 'api', 'demo'), 'whose registration it is, where it is not the admin API’s')] },
    ),
  },
  '/admin/v1/clients/{id}/secrets': {
    parameters: [named],
    post: adminAct('addClientSecret', 'A second secret; both are good until one is removed', 'administer', {
      201: answer('the secret, this once', clientWithSecret),
      ...refusals(404, 409),
    }),
  },
  '/admin/v1/clients/{id}/secrets/{secret}': {
    parameters: [named, inPath('secret')],
    delete: adminAct('removeClientSecret', 'Removes a secret', 'administer', { 200: answer('as it is now', ref('Client')), ...refusals(404, 409) }),
  },
}

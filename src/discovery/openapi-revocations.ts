import {
  adminAct,
  answer,
  body,
  inPath,
  integer,
  type Json,
  limit,
  list,
  named,
  object,
  oneOf,
  query,
  ref,
  refusals,
  said,
  text,
  writing,
  yesNo,
} from './openapi-parts.ts'

/** The admin API’s part about sessions, revocations and what they owe. */

const revocationRequest = object({ selector: ref('Selector'), reason: { const: 'administrator' }, dry_run: { ...yesNo, default: false }, ...said }, [
  'reason',
  'dry_run',
  'case_reference',
  'comment',
])
const revoked = { allOf: [object({ outcome: { const: 'revoked' } }), ref('Revocation')] }
const already = object({ outcome: { const: 'already' }, selector: ref('Selector') })
const dryRun = object({ dry_run: { const: true }, selector: ref('Selector'), would_end: ref('Preview') })
const proof = object({
  deliveries: list(ref('Delivery')),
  more_deliveries: yesNo,
  guards: list(object({ client_id: text(), guard_id: text(), applied: { ...yesNo, description: 'it enforces this revocation' } })),
})

export const revocationPaths: Record<string, Json> = {
  '/admin/v1/sessions': {
    get: adminAct(
      'searchSessions',
      'Who is signed in, newest first',
      'operate',
      { 200: answer('those found', object({ sessions: list(ref('Session')), more: yesNo })), ...refusals(422) },
      {
        parameters: [
          query('sub', text()),
          query('tid', text()),
          query('client_id', text(), 'where they took part'),
          query('person', text(), 'letters of a name or username'),
          limit,
        ],
      },
    ),
  },
  '/admin/v1/revocations': {
    get: adminAct(
      'listRevocations',
      'The log, newest first',
      'operate',
      { 200: answer('a page of it', object({ revocations: list(ref('Revocation')) })), ...refusals(422) },
      { parameters: [query('before', integer(undefined, { minimum: 1 })), limit] },
    ),
    post: adminAct(
      'revoke',
      'Revokes; effective when this answers, with what is owed written down',
      'administer',
      { 200: answer('a dry run, or revoked already', { oneOf: [dryRun, already] }), 201: answer('revoked', revoked), ...refusals(404, ...writing) },
      { requestBody: body(revocationRequest) },
    ),
  },
  '/admin/v1/revocations/{seq}': {
    parameters: [inPath('seq', integer(undefined, { minimum: 1 }))],
    get: adminAct('readRevocation', 'One revocation, with its proof: deliveries, attempts, guards', 'operate', {
      200: answer('the revocation', { allOf: [ref('Revocation'), proof] }),
      ...refusals(404, 422),
    }),
  },
  '/admin/v1/deliveries': {
    get: adminAct(
      'listDeliveries',
      'What is owed to instances and what came of it',
      'operate',
      { 200: answer('those found', object({ deliveries: list(ref('Delivery')), more: yesNo })), ...refusals(422) },
      {
        parameters: [
          query('state', oneOf('owed', 'delivered', 'refused', 'dead', 'superseded')),
          query('client_id', text()),
          query('seq', integer(undefined, { minimum: 1 })),
          limit,
        ],
      },
    ),
  },
  '/admin/v1/deliveries/{id}': {
    parameters: [named],
    get: adminAct('readDelivery', 'One delivery with its attempts', 'operate', { 200: answer('the delivery', ref('Delivery')), ...refusals(404) }),
  },
  '/admin/v1/deliveries/redrive': {
    post: adminAct(
      'redrive',
      'Tries refused and dead deliveries again',
      'operate',
      { 200: answer('how many', object({ redriven: integer() })), ...refusals(...writing, 404) },
      {
        requestBody: body({
          ...object({ id: text(), target_id: text(), client_id: text(), all: { const: true } }, ['id', 'target_id', 'client_id', 'all']),
          minProperties: 1,
          maxProperties: 1,
          additionalProperties: false,
        }),
      },
    ),
  },
  '/admin/v1/people/erase': {
    post: adminAct(
      'erasePerson',
      'Signs a person out everywhere, then forgets name and address: by sub, or by tid and oid',
      'administer',
      {
        200: answer('erased, or what it would end', {
          oneOf: [
            object({ erased: { const: true }, sub: text(), seq: integer() }),
            object({ dry_run: { const: true }, sub: text(), would_end: ref('Preview') }),
          ],
        }),
        ...refusals(404, ...writing),
      },
      {
        requestBody: body(
          object({ sub: text(), tid: text(), oid: text(), dry_run: yesNo, ...said }, ['sub', 'tid', 'oid', 'dry_run', 'case_reference', 'comment']),
        ),
      },
    ),
  },
}

/** Small words for writing OpenAPI 3.1 without its ceremony. */

export type Json = Record<string, unknown>

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
export const text = (description?: string, more: Json = {}): Json => ({ type: 'string', ...(description !== undefined && { description }), ...more })
export const oneOf = (...values: string[]): Json => ({ type: 'string', enum: values })
export const integer = (description?: string, more: Json = {}): Json => ({
  type: 'integer',
  ...(description !== undefined && { description }),
  ...more,
})
export const yesNo: Json = { type: 'boolean' }
export const list = (items: Json, more: Json = {}): Json => ({ type: 'array', items, ...more })
export const anyObject: Json = { type: 'object' }
export const seconds = integer('epoch seconds')
export const milliseconds = integer('epoch milliseconds')
export const orNull = (schema: Json): Json => ({ anyOf: [schema, { type: 'null' }] })

/** @param optional names that may be missing */
export const object = (properties: Record<string, Json>, optional: readonly string[] = []): Json => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
})

export const query = (name: string, schema: Json, description?: string): Json => ({
  name,
  in: 'query',
  schema,
  ...(description !== undefined && { description }),
})
export const inPath = (name: string, schema: Json = text()): Json => ({ name, in: 'path', required: true, schema })

export const answer = (description: string, schema?: Json, type = 'application/json'): Json => ({
  description,
  ...(schema !== undefined && { content: { [type]: { schema } } }),
})
export const body = (schema: Json, type = 'application/json'): Json => ({ required: true, content: { [type]: { schema } } })

/** RFC 9457, as the admin API answers every refusal. */
const problem = (description: string): Json => answer(description, ref('Problem'), 'application/problem+json')
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'not JSON',
  401: 'no good access token',
  403: 'the scope does not reach that far',
  404: 'there is nothing of that name',
  409: 'it stands otherwise; the detail says how',
  413: 'too large',
  415: 'not application/json',
  422: 'the request has a problem; all of them are listed',
  503: 'the store cannot commit; nothing was changed',
}
export const refusals = (...statuses: number[]): Json =>
  Object.fromEntries([401, 403, ...statuses, 503].map((status) => [status, problem(REFUSALS[status] ?? '')]))

/** An operation of the admin API. */
export const adminAct = (id: string, summary: string, scope: 'operate' | 'administer', responses: Json, more: Json = {}): Json => ({
  operationId: id,
  summary,
  tags: ['admin'],
  security: [{ admin: [`broker:${scope}`] }],
  responses,
  ...more,
})
export const named = inPath('id')
export const limit = query('limit', integer(undefined, { minimum: 1, maximum: 1000, default: 100 }))
/** What keeps a body from being read. */
export const writing = [400, 413, 415, 422]
/** What goes into the audit log with an act. */
export const said = { case_reference: text(undefined, { maxLength: 200 }), comment: text(undefined, { maxLength: 2000 }) }

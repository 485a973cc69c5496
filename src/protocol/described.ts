import type { Hono } from 'hono'
import { resolver, uniqueSymbol } from 'hono-openapi'
import { z } from 'zod'

/**
 * Describes routes for /openapi.json. A route's description and schemas are next to its handler,
 * and the document is generated from the mounted routes.
 */

export type Json = Record<string, unknown>
/** A schema for each media type. */
export type Content = Readonly<Record<string, z.ZodType>>
export type Answer = readonly [description: string, content?: Content]

export interface Description {
  id: string
  summary: string
  description?: string
  tag: 'sign-in' | 'oauth' | 'feed' | 'signals' | 'ssf' | 'health' | 'admin'
  /**
   * The security requirements (OpenAPI 3.1 §4.8.30), any one of which is sufficient. Default: no
   * authentication.
   */
  security?: readonly Readonly<Record<string, readonly string[]>>[]
  params?: z.ZodObject
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: Content
  /** Set if the request may omit the body. */
  bodyOptional?: true
  answers: Readonly<Record<number, Answer>>
}

export const json = (schema: z.ZodType): Content => ({ 'application/json': schema })
export const form = (schema: z.ZodType): Content => ({
  'application/x-www-form-urlencoded': schema,
})

/**
 * Attaches a description to a handler. It adds no middleware, so a described route costs nothing
 * per request. The operation is built only when a document is generated, because building all of
 * them takes a tenth of the time in which an app is created.
 */
export function described<H extends object>(about: Description, handler: H): H {
  const mark = {
    get spec() {
      return operation(about)
    },
  }
  return Object.assign(handler, { [uniqueSymbol]: mark })
}

function operation(about: Description): Json {
  const {
    id,
    summary,
    description,
    tag,
    security = [],
    params,
    query,
    headers,
    body,
    bodyOptional,
    answers,
  } = about
  const parameters = [
    ...parametersOf('path', params),
    ...parametersOf('query', query),
    ...parametersOf('header', headers),
  ]
  return {
    operationId: id,
    summary,
    ...(description !== undefined && { description }),
    tags: [tag],
    security,
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: bodyOptional !== true, content: contentOf(body) },
    }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, [words, content]]) => [
        status,
        response(words, content),
      ]),
    ),
  }
}

const response = (description: string, content: Content | undefined): Json => ({
  description,
  ...(content !== undefined && { content: contentOf(content) }),
})
const contentOf = (content: Content): Json =>
  Object.fromEntries(
    Object.entries(content).map(([type, schema]) => [type, { schema: resolver(schema) }]),
  )

const parametersOf = (place: string, shape: z.ZodObject | undefined): Json[] =>
  Object.entries(shape?.shape ?? {}).map(([name, schema]) => {
    const { $schema: _dialect, ...written } = z.toJSONSchema(schema as z.ZodType, {
      io: 'input',
      unrepresentable: 'any',
    })
    const { description } = written
    const required = place === 'path' || !(schema as z.ZodType).safeParse(undefined).success
    return {
      name,
      in: place,
      required,
      ...(description !== undefined && { description }),
      schema: written,
    }
  })

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Returns the methods for which a path has handlers, for `Allow` (RFC 9110 §15.5.6). Empty if the
 * path is unknown.
 */
export function methodsAt(app: Pick<Hono, 'router'>, path: string): string[] {
  const there = METHODS.filter((method) =>
    app.router.match(method, path)[0].some(([[, route]]) => route.method === method),
  )
  // Hono answers HEAD with the handler of GET.
  return there.includes('GET') && !there.includes('HEAD')
    ? ['GET', 'HEAD', ...there.slice(1)]
    : there
}

export const text = z.string()
export const seconds = z.int().meta({ description: 'epoch seconds' })
export const milliseconds = z.int().meta({ description: 'epoch milliseconds' })

/** An error answer of RFC 6749 §5.2. */
const oauthError = z
  .object({ error: text, error_description: text.meta({ description: 'what to do next' }) })
  .meta({ id: 'OAuthError' })
export const rejected = (description: string): Answer => [description, json(oauthError)]
export const asClient = [{ client: [] }] as const
/**
 * Client authentication by the header or by fields of the body. OpenAPI has no scheme for the
 * latter, so the document says that the header is optional.
 */
export const asClientAlsoInBody = [...asClient, {}] as const
/** The error answers of every endpoint that authenticates a client and reads a form. */
export const formRejections = {
  400: rejected('A parameter is missing, repeated or wrong.'),
  401: rejected('The client is not authenticated.'),
  413: rejected('The body is too large.'),
  415: rejected('The body is not application/x-www-form-urlencoded.'),
  503: rejected('The store cannot commit, or the broker’s clock is wrong. Nothing was changed.'),
}
/** The answer of endpoints with a rate limit (RFC 6585 §4). */
export const limited = {
  429: rejected('Too many requests. Retry-After says when to try again.'),
} as const
/** The form fields by which a client authenticates (RFC 6749 §2.3.1, RFC 7521 §4.2). */
export const clientInForm = {
  client_id: text.optional(),
  client_secret: text.optional(),
  client_assertion: text.optional(),
  client_assertion_type: text.optional(),
}

import type { Context, Hono } from 'hono'
import { z } from 'zod'
import { Problem, problemSchema } from '../../clients/problem.ts'
import type { Acting, Caller, Right } from '../../clients/caller.ts'
import { type Answer, type Content, described, json } from '../../protocol/described.ts'
import { inWords } from '../../runtime/in-words.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { jsonBody } from './body.ts'
import { IDEMPOTENCY_KEY, type Repeatable } from './idempotent.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** A route of the admin API: its schemas describe it in /openapi.json and check each request before the act runs. */

const NOTHING = z.strictObject({})
type Nothing = typeof NOTHING

interface Act<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  id: string
  summary: string
  /** Of a GET, `operate` is for auditors too: what an operator may read they may read. */
  may: Acting
  params?: P
  query?: Q
  body?: B
  /** The media type of the body where it is not application/json. */
  type?: 'application/merge-patch+json'
  answers: Readonly<Record<number, Answer>>
  /** Statuses of rejections beside those that every act may answer. */
  rejects?: readonly (404 | 409 | 422)[]
  /** It takes `Idempotency-Key`. */
  repeatable?: Repeatable
}

interface Asked<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  caller: Caller
  params: z.output<P>
  query: z.output<Q>
  body: z.output<B>
}

const REJECTIONS: Readonly<Record<number, string>> = {
  400: 'The request is not what this document describes; `problems` lists every problem.',
  401: 'The access token is missing, expired or revoked.',
  403: 'The access token’s scope does not allow this.',
  404: 'Not found.',
  409: 'The present state does not allow this; the detail says why.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The request is well formed, but a rule rejects it; `problems` lists every problem.',
  503: 'The store cannot commit. Nothing was changed.',
}
const PROBLEM: Content = { 'application/problem+json': problemSchema }

const IDEMPOTENCY = z.object({
  'Idempotency-Key': z
    .string()
    .regex(IDEMPOTENCY_KEY)
    .optional()
    .meta({ description: 'Repeated within 24 hours with the same request, it is answered with the first answer, and nothing is done again.' }),
})

export function route<B extends z.ZodType, P extends z.ZodObject = Nothing, Q extends z.ZodObject = Nothing>(
  routes: Hono<AdminEnv>,
  method: 'get' | 'post' | 'put' | 'patch' | 'delete',
  path: string,
  act: Act<P, Q, B>,
  answer: (asked: Asked<P, Q, B>, c: Context<AdminEnv>) => Response | Promise<Response>,
): void {
  const { rejects = [], body, type = 'application/json', answers, may, repeatable, ...about } = act
  const need: Right = method === 'get' && may === 'operate' ? 'audit' : may
  const statuses = [400, 401, 403, ...rejects, ...(repeatable === undefined ? [] : [422]), ...(body === undefined ? [] : [413, 415]), 503]
  const description = {
    ...about,
    tag: 'admin' as const,
    security: [{ admin: [`broker:${need}`] }],
    ...(body !== undefined && { body: { [type]: body } }),
    ...(repeatable !== undefined && { headers: IDEMPOTENCY }),
    answers: { ...answers, ...Object.fromEntries(statuses.map((status): [number, Answer] => [status, [REJECTIONS[status] ?? '', PROBLEM]])) },
  }
  const handler = async (c: Context<AdminEnv>): Promise<Response> => {
    const caller = callerOf(c, need)
    const query = shaped(act.query ?? NOTHING, once(c), 'parameter') as z.output<Q>
    const params = shaped(act.params ?? NOTHING, c.req.param(), 'parameter') as z.output<P>
    const asked = { caller, params, query, body: (body === undefined ? undefined : shaped(body, await jsonBody(c), 'member')) as z.output<B> }
    return repeatable === undefined ? answer(asked, c) : repeatable(caller, asked.body, c, () => answer(asked, c))
  }
  routes.on(method.toUpperCase(), path, described(description, handler))
}

/** @throws Problem 400 where a parameter is repeated */
function once(c: Context): Record<string, string> {
  const given = Object.entries(c.req.queries())
  const repeated = given.filter(([, values]) => values.length > 1).map(([name]) => `${name}: send it once`)
  if (repeated.length > 0) throw new Problem(400, 'The request has a problem', `${repeated.join('. ')}.`, repeated)
  return Object.fromEntries(given.map(([name, [value = '']]) => [name, value]))
}

/** @throws Problem with each problem and where it is: 422 where only rules beyond the schema's are broken (RFC 9110 §15.5.21), else 400 */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, part: 'parameter' | 'member'): T {
  const parsed = schema.safeParse(value, { error: inWords })
  if (parsed.success) return parsed.data
  const { issues } = parsed.error
  const problems = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => `${[...issue.path, key].join('.')}: there is no such ${part}${known(schema)}`)
      : [`${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}`],
  )
  throw new Problem(issues.every(({ code }) => code === 'custom') ? 422 : 400, 'The request has a problem', problems.join('. '), problems)
}

function known(schema: z.ZodType): string {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  return names.length === 0 ? '' : `; there are: ${names.join(', ')}`
}

/** A whole number of a query or a path: digits alone. */
const whole = (message: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.preprocess((value) => (typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value), z.int(message).min(least).max(most))

export const limit = whole('has to be a number from 1 to 1000', 1, 1000).default(100)
/** Each comes with its attempts. */
export const proofLimit = whole('has to be a number from 1 to 200', 1, 200).default(200)
/** A place in the log of revocations. */
export const seqNumber = whole("has to be a revocation's number, e.g. 4711", 1)
export const entryNumber = whole("has to be an entry's number, e.g. 4711", 0)
export const instant = whole('has to be a time in epoch seconds', 0)
export const instantMs = whole('has to be a time in epoch milliseconds', 0)
/** In lower case. */
export const guid = (what: string) => z.guid(`has to be ${what} (a GUID)`).toLowerCase()
export const named = z.strictObject({ id: storedText().max(200) })
/** What goes into the audit log with an act. */
export const said = { case_reference: storedText().max(200).optional(), comment: storedText().max(2000).optional() }

export const ok = (description: string, schema: z.ZodType): Answer => [description, json(schema)]
/** An object of the answers, by name in the document. */
export const shape = <T extends z.ZodRawShape>(id: string, members: T) => z.object(members).meta({ id })
/** Of a list that is searched where no index serves. @param place the last entry that was looked at */
export const searchedTo = <T extends z.ZodRawShape>(place: T) =>
  z.object(place).nullable().meta({
    description:
      'the entry at which the search stopped, because one answer looks at a limited number of entries: the page may not be full, and next continues there',
  })

import type { Context, Hono } from 'hono'
import { z } from 'zod'
import { type Acting, allows, type Caller, READ_ONLY, type Right } from '../../clients/caller.ts'
import { Problem, problemSchema } from '../../clients/problem.ts'
import { type CaseAndComment, type Recording, recordingOf } from '../../clients/with-audit.ts'
import { type Answer, type Content, described } from '../../protocol/described.ts'
import { inWords } from '../../runtime/in-words.ts'
import type { Checks } from '../checks/checks.ts'
import { type Fields, fieldsOf, type Row, shown } from './wire.ts'
import { REJECTIONS } from './texts/rejections.ts'
import { SUMMARIES } from './texts/summaries.ts'
import type { Deps } from '../deps.ts'
import { answeredOnce, IDEMPOTENCY_KEY } from './idempotent.ts'
import { REJECTED } from '../acts/texts/rejected.ts'

/**
 * Defines a route of the admin API. Its schemas describe it in /openapi.json and validate each
 * request.
 */

export interface AdminEnv {
  Variables: { caller: Caller }
}

const NOTHING = z.strictObject({})
type Nothing = typeof NOTHING

/** Answers by status, or the schema of an answer with status 200. */
type Answers = Readonly<Record<number, Answer>> | z.ZodType

interface Act<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  A extends Answers,
> {
  id: string
  /** The required right. Default: a GET needs the auditor's, all else the administrator's. */
  may?: Acting
  params?: P
  query?: Q
  body?: B
  /** The media type of the body. Default: application/json. */
  type?: 'application/merge-patch+json'
  /** The first is that of a result that is not a `Response`. */
  answers: A
  /** Statuses of rejections, besides those common to all acts, and 404 if it has `params`. */
  rejects?: readonly (404 | 409 | 422)[]
  /** The command of the act, if the broker accepts it only from its own machine. */
  here?: string
  /** True if the act accepts `Idempotency-Key`. */
  repeatable?: true
  /**
   * The act's name in the audit log. The handler then calls `record`. An act that the console
   * carries out too has a function in `acts`, which records it by `withAudit`.
   */
  audit?: string
}

interface Asked<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  deps: Deps
  checks: Checks
  c: Context<AdminEnv>
  caller: Caller
  now: number
  params: z.output<P>
  query: Fields<z.output<Q>>
  body: Fields<z.output<B>>
  /** The body with the names of the wire. */
  wire: z.output<B>
  /** Carries out the act with an entry in the audit log, which has its case and comment. */
  record: Recording
}

const PROBLEM: Content = { 'application/problem+json': problemSchema }

const rejections = (statuses: readonly number[]): Record<number, Answer> =>
  Object.fromEntries(
    statuses.map((status): [number, Answer] => [status, [REJECTIONS[status] ?? '', PROBLEM]]),
  )

const IDEMPOTENCY = z.object({
  'Idempotency-Key': z.string().regex(IDEMPOTENCY_KEY).optional(),
})

type JsonOf<A> = A extends readonly [string, { 'application/json': infer S extends z.ZodType }]
  ? z.output<S>
  : never
type AnswerOf<A extends Answers> = A extends z.ZodType ? z.output<A> : JsonOf<A[keyof A]>

/** A mounted act. Its type names its address, the members of its request and its answer. */
export interface Route<At extends string = string, Member = unknown, Shown = unknown> {
  (api: Hono<AdminEnv>, needs: { deps: Deps; checks: Checks }): void
  /** The act's name in the audit log. */
  audit?: string | undefined
  /** Exists in the type alone: `cmb` reads it. */
  readonly act?: { at: At; member: Member; answer: Shown }
}

/** The result of a handler, with field names or already with those of the wire. */
type Shown<A extends Answers> = Row<AnswerOf<A>> | AnswerOf<A> | Response
type KeyOf<T> = T extends unknown ? keyof T & string : never

/** Returns the description of an act for the document of the API, and the right that it needs. */
function describe(
  at: keyof typeof SUMMARIES,
  act: Act<z.ZodObject, z.ZodObject, z.ZodType, Answers>,
) {
  const {
    rejects = [],
    body,
    may,
    repeatable,
    here,
    audit: _,
    type = 'application/json',
    ...about
  } = act
  const elsewhere = here === undefined ? '' : '; only by the socket on the broker’s own machine'
  const summary = `${SUMMARIES[at]}${elsewhere}`
  const answers: Record<number, Answer> =
    act.answers instanceof z.ZodType ? { 200: ok(summary, act.answers) } : act.answers
  const need: Right = may ?? (at.startsWith('GET') ? 'audit' : 'administer')
  const statuses = [
    ...(act.params ? [404] : []),
    ...rejects,
    ...(repeatable ? [422] : []),
    ...(body ? [413, 415] : []),
  ]
  const description = {
    ...about,
    summary,
    tag: 'admin' as const,
    security: [{ admin: [`broker:${need}`] }],
    ...(body !== undefined && { body: { [type]: body } }),
    ...(repeatable && { headers: IDEMPOTENCY }),
    answers: { ...answers, ...rejections([400, 401, 403, ...statuses, 503]) },
  }
  return { need, description, answers }
}

/**
 * Defines a route. The codec writes the result under the names of the wire.
 * @param at the method, and the path below /admin/v1
 */
export function route<
  const At extends keyof typeof SUMMARIES,
  const A extends Answers,
  B extends z.ZodType = z.ZodUndefined,
  P extends z.ZodObject = Nothing,
  Q extends z.ZodObject = Nothing,
>(
  at: At,
  act: Act<P, Q, B, A>,
  answer: (asked: Asked<P, Q, B>) => Shown<A> | Promise<Shown<A>>,
): Route<At, KeyOf<z.input<B>> | KeyOf<z.input<Q>>, AnswerOf<A>> {
  const [method = '', path = ''] = at.split(' ')
  const { need, description, answers } = describe(at, act)
  const { body, repeatable, audit, here } = act
  const [[status, [, content]] = ['', ['']]] = Object.entries(answers)
  const mount = (api: Hono<AdminEnv>, needs: Parameters<Route>[1]): void => {
    const handler = async (c: Context<AdminEnv>): Promise<Response> => {
      const caller = callerOf(c, need)
      if (here !== undefined && caller.via !== 'command')
        throw new Problem(403, 'Only on the broker’s own machine', `Run ${here} there.`)
      const query = fieldsOf(shaped(act.query ?? NOTHING, once(c), 'parameter') as z.output<Q>)
      const params = shaped(act.params ?? NOTHING, c.req.param(), 'parameter') as z.output<P>
      const wire = (
        body === undefined ? undefined : shaped(body, await jsonBody(c), 'member')
      ) as z.output<B>
      const perform = async (): Promise<Response> => {
        const result = await answer({
          ...needs,
          c,
          caller,
          now: needs.deps.clock.now(),
          params,
          query,
          body: fieldsOf(wire),
          wire,
          record: (target, details, ...rest) => {
            if (audit === undefined) throw new Error(`${act.id} has no name in the audit log.`)
            const { caseReference, comment } = fieldsOf(wire ?? query) as CaseAndComment
            const known = { act: audit, caseReference, comment }
            return recordingOf(needs.deps, caller, known)(target, details, ...rest)
          },
        })
        const schema = content?.['application/json']
        return result instanceof Response || schema === undefined
          ? (result as Response)
          : c.json(shown(schema, result as never), Number(status) as 200)
      }
      return repeatable ? answeredOnce(needs.deps, caller, wire, c, perform) : perform()
    }
    api.on(method, `/admin/v1${path}`, described(description, handler))
  }
  return Object.assign(mount, { audit })
}

/**
 * Returns the caller if it has the right. Fails closed: without a caller the request is rejected.
 */
function callerOf(c: Context<AdminEnv>, need: Right): Caller {
  const caller = c.get('caller') as Caller | undefined
  if (caller === undefined) throw new Problem(401, 'Not authenticated', REJECTED.no_token)
  if (allows(caller.may, need)) return caller
  if (need === 'administer')
    throw new Problem(403, 'This needs an administrator', REJECTED.needs_administrator)
  throw new Problem(403, 'Read-only role', READ_ONLY)
}

/** Returns the query parameters. @throws Problem 400 for a repeated parameter */
function once(c: Context): Record<string, string> {
  const given = Object.entries(c.req.queries())
  const repeated = given
    .filter(([, values]) => values.length > 1)
    .map(([name]) => `${name}: send it once`)
  if (repeated.length > 0)
    throw new Problem(400, 'The request has a problem', `${repeated.join('. ')}.`, repeated)
  return Object.fromEntries(given.map(([name, [value = '']]) => [name, value]))
}

const MAX_BYTES = 256 * 1024

/** Parses the body. @throws Problem 413, 415, or 400 for invalid JSON */
async function jsonBody(c: Context): Promise<unknown> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/merge-patch+json')
    throw new Problem(415, 'Not JSON', 'Send the body as application/json.')
  const text = await bounded(c.req.raw.body)
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Problem(
      400,
      'Not JSON',
      'The body is not valid JSON. Check for a missing quote or an extra comma.',
    )
  }
}

/** Reads a body up to the limit. A missing or false Content-Length does not matter. */
async function bounded(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES)
      throw new Problem(413, 'Too large', `Send a body of at most ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * Validates a value by its schema.
 * @throws Problem that lists every problem: 422 if only rules beyond the schema are broken (RFC
 * 9110 §15.5.21), else 400
 */
function shaped<T>(schema: z.ZodType<T>, value: unknown, part: 'parameter' | 'member'): T {
  const parsed = schema.safeParse(value, { error: inWords })
  if (parsed.success) return parsed.data
  const { issues } = parsed.error
  const problems = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map(
          (key) => `${[...issue.path, key].join('.')}: there is no such ${part}${known(schema)}`,
        )
      : [`${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}`],
  )
  throw new Problem(
    issues.every(({ code }) => code === 'custom') ? 422 : 400,
    'The request has a problem',
    problems.join('. '),
    problems,
  )
}

function known(schema: z.ZodType): string {
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  return names.length === 0 ? '' : `; there are: ${names.join(', ')}`
}

export const ok = <S extends z.ZodType>(description: string, schema: S) =>
  [description, { 'application/json': schema }] as const

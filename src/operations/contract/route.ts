import { z } from 'zod'
import { type Acting, allows, type Caller, READ_ONLY, type Right } from '../../audit/caller.ts'
import { Problem, problemSchema } from '../../audit/problem.ts'
import { record } from '../../audit/record.ts'
import type { Answer, Content, Description } from '../../protocol/described.ts'
import { inWords } from '../../runtime/in-words.ts'
import type { Checks } from '../checks/checks.ts'
import { type Fields, fromWire, type Row, toWire } from './wire.ts'
import { REJECTIONS } from './texts/rejections.ts'
import { SUMMARIES } from './texts/summaries.ts'
import type { Deps } from '../deps.ts'
import { REJECTED } from '../acts/texts/rejected.ts'

/**
 * Defines an act of an operator: who may carry it out, its request, its answer and its name in the
 * audit log. The admin API offers it over HTTP, and pages ask it in the process (ask.ts), with the
 * same right, the same validation and the same entry in the audit log.
 */

const NOTHING = z.strictObject({})
type Nothing = typeof NOTHING

/** Answers by status, or the schema of an answer with status 200. */
type Answers = Readonly<Record<number, Answer>> | z.ZodType

interface Definition<
  P extends z.ZodObject,
  Q extends z.ZodObject,
  B extends z.ZodType,
  A extends Answers,
> {
  id: string
  /** The required right. Default: a GET needs the auditor's, all else the administrator's. */
  may?: Acting
  /**
   * Returns whether the request concerns the tenant of a caller who administers that tenant alone.
   * An act without it is closed to such callers.
   */
  tenant?: (request: Request<P, Q, B>, tid: string) => boolean | Promise<boolean>
  params?: P
  query?: Q
  body?: B
  /** Set if a request may omit the body, which then is an empty object. */
  bodyOptional?: true
  /** The media type of the body. Default: application/json. */
  type?: 'application/merge-patch+json'
  answers: A
  /** The outcome that is answered with 201. Default: the first status of `answers`. */
  created?: string
  /** Statuses of rejections, besides those common to all acts, and 404 if it has `params`. */
  rejects?: readonly (404 | 409 | 422)[]
  /** The command of the act, if the broker accepts it only from its own machine. */
  here?: string
  /** True if the act accepts `Idempotency-Key`. */
  repeatable?: true
  /** The act's name in the audit log. The handler then calls `record`. */
  audit?: string
  /** The member that the audit log keeps as the comment. Default: `comment`. */
  comment?: 'reason'
}

/**
 * Carries out an act of a known name, case and comment with an entry in the audit log.
 * @param target the kind and the id of the object
 * @param result returns the part of the answer to record; never a secret
 */
export type Recording = <T>(
  target: string | undefined,
  details: Record<string, unknown> | undefined,
  act: () => Promise<T>,
  result?: (answer: T) => Record<string, unknown>,
) => Promise<T>

/** A valid request of an admitted caller, as the handler gets it. */
interface Request<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType> {
  deps: Deps
  checks: Checks
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

export const JSON_LINES = 'application/jsonl'
/** A file of JSON lines, which is written while it is read. */
export class Lines {
  readonly lines: AsyncGenerator<string>
  /** The name of the file. */
  readonly file: string

  /** Names the file after the object that it is about. */
  constructor(lines: AsyncGenerator<string>, about: string) {
    this.lines = lines
    this.file = `broker-${about}.jsonl`
  }
}

const PROBLEM: Content = { 'application/problem+json': problemSchema }

const rejections = (statuses: readonly number[]): Record<number, Answer> =>
  Object.fromEntries(
    statuses.map((status): [number, Answer] => [status, [REJECTIONS[status] ?? '', PROBLEM]]),
  )

/** A string of RFC 9651 (§2.1). Most clients leave out its quotes, so both forms are accepted. */
export const IDEMPOTENCY_KEY =
  /^"[\x21\x23-\x5b\x5d-\x7e]{1,255}"$|^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/
const IDEMPOTENCY = z.object({
  'Idempotency-Key': z.string().regex(IDEMPOTENCY_KEY).optional(),
})

type JsonOf<A> = A extends readonly [string, { 'application/json': infer S extends z.ZodType }]
  ? z.output<S>
  : never
type AnswerOf<A extends Answers> = A extends z.ZodType ? z.output<A> : JsonOf<A[keyof A]>

/** The members of a request by their place in it, before and after validation. */
interface Members {
  params: unknown
  query: unknown
  wire: unknown
}
interface Needs {
  deps: Deps
  /** Undefined for the administrator of a tenant, to whom the broker's state is not shown. */
  checks?: Checks | undefined
}

/** An act. Its type names its address, its request and its answer. */
export interface Route<At extends string = string, Input = unknown, Output = unknown> {
  at: At
  definition: Definition<z.ZodObject, z.ZodObject, z.ZodType, Answers>
  description: Description
  /** Checks the right of a caller. @throws Problem 401, 403 */
  admit(caller: Caller | undefined): Caller
  /** Validates the members of a request. @throws Problem 400, 422 */
  read(members: Members): Members
  /** Carries the act out. Returns its answer and the status of that. @throws Problem */
  carryOut(needs: Needs, caller: Caller, members: Members): Promise<[unknown, number]>
  /** Exists in the type alone: `cmb` and pages read it. */
  readonly act?: { at: At; input: Input; answer: Output }
}

/** The members that a schema takes; none of an empty one. */
type Input<S extends z.ZodObject> = string extends keyof z.input<S> ? unknown : z.input<S>
/** The result of a handler, with field names or already with those of the wire. */
type Result<A extends Answers> = Row<AnswerOf<A>> | AnswerOf<A> | Lines
type OutputOf<A extends Answers> = [AnswerOf<A>] extends [never] ? Lines : AnswerOf<A>

/** Returns the description of an act for the document of the API, and the right that it needs. */
function describe(at: keyof typeof SUMMARIES, definition: Route['definition']) {
  const { id, params, query, body, bodyOptional, may, repeatable, here, rejects = [] } = definition
  const elsewhere = here === undefined ? '' : '; only by the socket on the broker’s own machine'
  const summary = `${SUMMARIES[at]}${elsewhere}`
  const answers: Record<number, Answer> =
    definition.answers instanceof z.ZodType
      ? { 200: ok(summary, definition.answers) }
      : definition.answers
  const need: Right = may ?? (at.startsWith('GET') ? 'audit' : 'administer')
  const statuses = [
    ...(params ? [404] : []),
    ...rejects,
    ...(repeatable ? [422] : []),
    ...(body ? [413, 415] : []),
  ]
  const description: Description = {
    id,
    summary,
    tag: 'admin',
    security: [{ admin: [`broker:${need}`] }],
    ...(params && { params }),
    ...(query && { query }),
    ...(body && { body: { [definition.type ?? 'application/json']: body } }),
    ...(bodyOptional && { bodyOptional }),
    ...(repeatable && { headers: IDEMPOTENCY }),
    answers: { ...answers, ...rejections([400, 401, 403, ...statuses, 503]) },
  }
  return { need, description, answers }
}

/**
 * Defines an act. The codec writes the result under the names of the wire.
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
  act: Definition<P, Q, B, A>,
  handler: (request: Request<P, Q, B>) => Result<A> | Promise<Result<A>>,
): Route<At, Input<P> & (B extends z.ZodUndefined ? Input<Q> : z.input<B>), OutputOf<A>> {
  const definition = act as unknown as Route['definition']
  const { need, description, answers } = describe(at, definition)
  const { body, created, here, query, params } = definition
  const [first] = Object.keys(answers).map(Number)
  const admit = (caller: Caller | undefined): Caller => {
    const admitted = allowed(caller, need)
    if (here !== undefined && admitted.via !== 'command')
      throw new Problem(403, 'Only on the broker’s own machine', `Run ${here} there.`)
    if (admitted.actor.tid !== undefined && act.tenant === undefined)
      throw new Problem(403, 'This needs an operator', REJECTED.needs_operator)
    return admitted
  }
  return {
    at,
    definition,
    description,
    admit,
    read: (members) => ({
      query: shaped(query ?? NOTHING, members.query, 'parameter'),
      params: shaped(params ?? NOTHING, members.params, 'parameter'),
      wire: body && shaped(body, members.wire, 'member'),
    }),
    async carryOut({ deps, checks }, caller, members) {
      const { tid } = admit(caller).actor
      const wire = members.wire as z.output<B>
      const fields = fromWire(members.query as z.output<Q>)
      const request: Request<P, Q, B> = {
        deps,
        // No act that is open to the administrator of a tenant uses them.
        checks: checks as Checks,
        caller,
        now: deps.clock.now(),
        params: members.params as z.output<P>,
        query: fields,
        body: fromWire(wire),
        wire,
        record: (...entry) => recording(deps, caller, definition, wire ?? fields)(...entry),
      }
      if (tid !== undefined && (await act.tenant?.(request, tid)) !== true)
        throw new Problem(404, 'Not of your tenant', REJECTED.other_tenant)
      const result: unknown = await handler(request)
      const isCreated =
        created !== undefined && (result as { outcome?: string }).outcome === created
      const status = isCreated ? 201 : (first ?? 200)
      const schema = answers[status]?.[1]?.['application/json']
      return [schema === undefined ? result : toWire(schema, result as never), status]
    },
  }
}

/** Returns how an act is recorded, with the case and the comment of its request. */
function recording(
  deps: Deps,
  caller: Caller,
  { id, audit, comment: named }: Route['definition'],
  fields: unknown,
): Recording {
  if (audit === undefined) throw new Error(`${id} has no name in the audit log.`)
  const members = fromWire(fields) as { caseReference?: string; comment?: string; reason?: string }
  const { caseReference, [named ?? 'comment']: comment } = members
  return (target, details, ...rest) =>
    record(deps, caller, { act: audit, target, caseReference, comment, details }, ...rest)
}

/**
 * Returns the caller if it has the right. Fails closed: without a caller the request is rejected.
 */
function allowed(caller: Caller | undefined, need: Right): Caller {
  if (caller === undefined) throw new Problem(401, 'Not authenticated', REJECTED.no_token)
  if (allows(caller.may, need)) return caller
  if (need === 'administer')
    throw new Problem(403, 'This needs an administrator', REJECTED.needs_administrator)
  throw new Problem(403, 'Read-only role', READ_ONLY)
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

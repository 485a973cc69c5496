import type { Context } from 'hono'
import { z } from 'zod'
import { Problem } from '../acts/problem.ts'

/** What the admin API reads of a request: one JSON value of a known shape, small, every problem at once. */

const MAX_BYTES = 256 * 1024

/** @throws Problem 413, 415, 400 where it is not JSON at all */
export async function jsonBody(c: Context): Promise<unknown> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/merge-patch+json') throw new Problem(415, 'Not JSON', 'Send the body as application/json.')
  const text = await bounded(c.req.raw.body)
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Problem(400, 'Not JSON', 'The body is no JSON: look for a missing quote or a comma too many.')
  }
}

/** Reads no more than it has to: a body without a length, or one that lies about it, is cut off too. */
async function bounded(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES) throw new Problem(413, 'Too large', `Send a body of at most ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** @throws Problem 422 with each problem and where it is */
export function shaped<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => `${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}`)
  throw new Problem(422, 'The request has a problem', problems.join(' '), problems)
}

export const query = <T>(c: Context, schema: z.ZodType<T>): T => shaped(schema, c.req.query())

export const limit = z.coerce.number('has to be a number from 1 to 1000').int().min(1).max(1000).default(100)

/** A place in the log of revocations. */
export const seqNumber = z.coerce.number("has to be a revocation's number, e.g. 4711").int().min(1)

import type { Context } from 'hono'
import type { z } from 'zod'
import { readText } from '../../clients/form.ts'
import { OAuthError } from '../../protocol/error.ts'

/** What the Shared Signals API reads of a request: one JSON object, small. */

const MOST_BYTES = 64 * 1024

/** @throws OAuthError 400, 413, 415 */
export async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new OAuthError('invalid_request', 'Send the body as application/json.', { status: 415 })
  const parsed = schema.safeParse(parse(await readText(c, MOST_BYTES)))
  if (parsed.success) return parsed.data
  throw new OAuthError('invalid_request', parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`).join('; '))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new OAuthError('invalid_request', 'The body is not valid JSON. Check for a missing quote or an extra comma.')
  }
}

import type { Context } from 'hono'
import { z } from 'zod'
import { OAuthError } from '../protocol/error.ts'

/** What the Shared Signals API reads of a request: one JSON object, small. */

const MOST_BYTES = 64 * 1024

/** @throws OAuthError 400, 413, 415 */
export async function bodyOf<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') throw new OAuthError('invalid_request', 'Send the body as application/json.', { status: 415 })
  const parsed = schema.safeParse(parse(await bounded(c.req.raw.body)))
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

async function bounded(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MOST_BYTES) throw new OAuthError('invalid_request', `Send a body of at most ${MOST_BYTES} bytes.`, { status: 413 })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

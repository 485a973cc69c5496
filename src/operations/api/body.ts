import type { Context } from 'hono'
import { Problem } from '../../clients/problem.ts'

/** What the admin API reads of a request: one JSON value, small. */

const MAX_BYTES = 256 * 1024

/** @throws Problem 413, 415, 400 where it is not JSON at all */
export async function jsonBody(c: Context): Promise<unknown> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/merge-patch+json') throw new Problem(415, 'Not JSON', 'Send the body as application/json.')
  const text = await bounded(c.req.raw.body)
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Problem(400, 'Not JSON', 'The body is not valid JSON. Check for a missing quote or an extra comma.')
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

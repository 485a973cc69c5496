import type { Context } from 'hono'
import { OAuthError } from '../protocol/error.ts'
import { readParams, type Params } from '../protocol/params.ts'

/**
 * Reads the body of an OAuth request without the framework's parsers, which cost more than all the
 * rest of a refresh.
 */

const MAX_BYTES = 64 * 1024
const FORM = /^application\/x-www-form-urlencoded *(;|$)/i

export const isForm = (c: Context): boolean => FORM.test(c.req.header('content-type') ?? '')

/**
 * Reads the parameters of a form.
 * @param repeatable the parameters that may occur more than once, as for `readParams`
 * @throws OAuthError invalid_request: 415 for another content type (RFC 6749 §3.2), 413 above 64
 * kB, 400 for a repeated parameter
 */
export async function readForm(c: Context, repeatable?: readonly string[]): Promise<Params> {
  if (!isForm(c))
    throw new OAuthError(
      'invalid_request',
      'Send the parameters as application/x-www-form-urlencoded in the body.',
      { status: 415 },
    )
  return readParams(new URLSearchParams(await readText(c, MAX_BYTES)), repeatable)
}

/**
 * Reads a body of at most `maxBytes`.
 * @throws OAuthError 413
 */
export async function readText(c: Context, maxBytes: number): Promise<string> {
  const text = await readUpTo(c, maxBytes)
  if (text === undefined)
    throw new OAuthError('invalid_request', `The request is larger than ${maxBytes / 1024} kB.`, {
      status: 413,
    })
  return text
}

/**
 * Returns the body, or undefined if it is longer than `maxBytes`. With a Content-Length the HTTP
 * parser enforces the length; without one the bytes are counted while reading.
 */
export async function readUpTo(c: Context, maxBytes: number): Promise<string | undefined> {
  const length = c.req.header('content-length')
  if (Number(length ?? 0) > maxBytes) return undefined
  const text =
    length === undefined ? await readBounded(c.req.raw.body, maxBytes) : await c.req.text()
  return text !== undefined && text.length > maxBytes ? undefined : text
}

async function readBounded(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number,
): Promise<string | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    // Leaving the loop cancels the stream.
    if (bytes > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

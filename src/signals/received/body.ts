import type { Context } from 'hono'

/** The body as far as `mostBytes`; undefined where there is more. What says beforehand that it is too long is not read at all. */
export async function readBody(c: Context, mostBytes: number): Promise<string | undefined> {
  if (Number(c.req.header('content-length') ?? 0) > mostBytes) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > mostBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

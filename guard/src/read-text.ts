/**
 * Reads a body to its end. Returns undefined if it is longer than `mostBytes`, and reads no more of
 * it.
 */
export async function readText(
  { body, headers }: Pick<Request | Response, 'body' | 'headers'>,
  mostBytes: number,
): Promise<string | undefined> {
  const reader = (body as ReadableStream<Uint8Array> | null)?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = Number(headers.get('content-length') ?? 0) > mostBytes ? Infinity : 0
  for (;;) {
    if (size > mostBytes) {
      await reader.cancel()
      return undefined
    }
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    text += decoder.decode(value, { stream: true })
  }
}

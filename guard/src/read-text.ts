/**
 * Reads a body to its end.
 * @returns undefined where it is longer; no more of it is read than that
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

/**
 * Returns a file to download, generated as the client receives it, so that its length does not
 * matter.
 * @param type its media type
 */
export function download(lines: AsyncGenerator<string>, type: string, name: string): Response {
  const body = new ReadableStream<string>({
    async pull(out) {
      const next = await lines.next()
      if (next.done === true) out.close()
      else out.enqueue(next.value)
    },
    async cancel() {
      await lines.return(undefined)
    },
  })
  return new Response(body.pipeThrough(new TextEncoderStream()), {
    headers: {
      'Content-Type': type,
      'Cache-Control': 'no-store',
      'Content-Disposition': `attachment; filename="${name}"`,
      'X-Content-Type-Options': 'nosniff',
    },
  })
}

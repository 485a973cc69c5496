import { setImmediate as turn } from 'node:timers/promises'

/** The longest time for which a download holds the event loop before others take their turn. */
const MOST_MS = 5

/**
 * Returns a file to download, generated as the client receives it, so that its length does not
 * matter.
 * @param type its media type
 */
export function download(lines: AsyncGenerator<string>, type: string, name: string): Response {
  let begunMs = performance.now()
  const body = new ReadableStream<string>({
    async pull(out) {
      // A store that answers at once, and a reader that takes all, would leave no turn to others.
      if (performance.now() - begunMs > MOST_MS) {
        await turn()
        begunMs = performance.now()
      }
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

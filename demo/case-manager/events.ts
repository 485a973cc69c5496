import type { ReasonClass } from '@case-manager/guard'
import { wordsOf } from './pages.tsx'
import type { InstanceSession } from './sessions.ts'

const HEARTBEAT_MS = 15_000

/**
 * Returns server-sent events for one open page: silence until the session has ended, then one event
 * with the reason, and the end of the stream.
 */
export function eventsOf(session: InstanceSession): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let stop = (): void => {}
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const say = (text: string): void => controller.enqueue(encoder.encode(text))
      const beat = setInterval(() => say(': heartbeat\n\n'), HEARTBEAT_MS)
      beat.unref()
      const ended = (why?: ReasonClass): void => {
        stop()
        say(`event: ended\ndata: ${JSON.stringify({ why: wordsOf(why) })}\n\n`)
        controller.close()
      }
      stop = () => {
        clearInterval(beat)
        session.pages.delete(ended)
      }
      say('retry: 1000\n\n')
      if (session.ended) ended()
      else session.pages.add(ended)
    },
    cancel: () => stop(),
  })
}

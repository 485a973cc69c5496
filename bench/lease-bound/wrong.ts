import type { BenchClock } from './clock.ts'

/**
 * Makes a guard wrong in the way that a run must find: it counts each lease from the receipt of the
 * heartbeat. Its answers from the broker are changed on the way, so that the guard itself is the
 * real one: `known_ms` becomes the time that the broker's clock would show now.
 */
export const countsFromReceipt =
  (through: typeof fetch, clock: BenchClock): typeof fetch =>
  async (input, init) => {
    const sentMs = clock.elapsedMs()
    const answer = await through(input, init)
    if (!answer.url.includes('/revocations?') || answer.body === null) return answer
    let atMs = 0
    const changed = (text: string): string =>
      text
        .replace(/"at_ms":(\d+)/, (found, ms: string) => ((atMs = Number(ms)), found))
        .replace(/"known_ms":\d+/g, () => `"known_ms":${atMs + clock.elapsedMs() - sentMs}`)
    let rest = ''
    const lines = new TransformStream<string, string>({
      transform(text, controller) {
        const whole = (rest + text).lastIndexOf('\n') + 1
        const all = rest + text
        rest = all.slice(whole)
        controller.enqueue(changed(all.slice(0, whole)))
      },
      flush: (controller) => controller.enqueue(changed(rest)),
    })
    const body = answer.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(lines)
      .pipeThrough(new TextEncoderStream())
    return new Response(body, { status: answer.status, headers: answer.headers })
  }

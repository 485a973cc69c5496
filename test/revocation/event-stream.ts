import { onTestFinished, vi } from 'vitest'

export interface Received {
  event: string
  id: string | undefined
  data: Record<string, unknown>
}

/** Follows the feed and collects what it receives. */
export async function follow(
  url: string,
  headers: Record<string, string> = {},
  init: RequestInit = {},
) {
  const abort = new AbortController()
  onTestFinished(() => abort.abort())
  const response = await fetch(url, {
    ...init,
    headers: { accept: 'text/event-stream', ...headers },
    signal: abort.signal,
  })
  const events: Received[] = []
  /** The events that leases count from: anchors and leases, which arrive at times of their own. */
  const grants: Received[] = []
  const comments: string[] = []
  let ended = false
  const read = async (): Promise<void> => {
    let rest = ''
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(
          block
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        )
        if (fields.has('')) comments.push(fields.get('') ?? '')
        const event = fields.get('event')
        if (event !== undefined)
          (event === 'anchor' || event === 'lease' ? grants : events).push({
            event,
            id: fields.get('id'),
            data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
          })
      }
    }
  }
  read()
    .catch(() => {})
    .finally(() => (ended = true))
  const names = (): string[] => events.map(({ event }) => event)
  return {
    response,
    events,
    grants,
    comments,
    names,
    ended: () => ended,
    close: () => abort.abort(),
    until: (event: string, count = 1) =>
      vi.waitFor(
        () => {
          const found = events.filter((received) => received.event === event)
          if (found.length < count)
            throw new Error(`${found.length} of ${count} ${event}: ${names().join(' ')}`)
          return found[count - 1] as Received
        },
        { timeout: 60_000, interval: 10 },
      ),
  }
}
